"""Data that no job could be trained on are refused before there is a job."""

from __future__ import annotations

from tintype.datasets.usable import refuse_unusable
from tintype.training.material import open_data
from tintype.training.plan import TrainingPlan


def refuse_unusable_data(plan: TrainingPlan, location: str) -> None:
    """`BadData`, as a job of the plan would end with it, of what a person named `location`: nothing to train on or to
    validate with, or one class. An archive is unpacked and a URL fetched for it, which the job then finds done.
    """
    refuse_unusable(open_data(plan, location), location, max_pixels=plan.settings.max_image_pixels)
