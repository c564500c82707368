from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.small_jobs import PlanMaker, are_equal, best_weights, run
from tintype.training import trainer
from tintype.training.events import Answer, End, Epoch, Event, Failure, Outcome, Ready, Result
from tintype.training.plan import TrainingPlan
from tintype.training.worker import Worker


class Conversation:
    """Says lines to a worker, some of them only when it has said something."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._lines: Queue[str | None] = Queue()
        self.answers: dict[type[Event], list[Any]] = {}         # event -> what to say when it comes

    def say(self, message: object) -> None:
        self._lines.put(message if isinstance(message, str) else json.dumps(message))

    def hear(self, event: Event) -> None:
        self.events.append(event)
        for message in self.answers.pop(type(event), []):
            self.say(message)
        if isinstance(event, End) and event.job == "last":
            self._lines.put(None)

    def lines(self) -> Iterator[str]:
        while (line := self._lines.get()) is not None:
            yield line

    def hold(self) -> list[Event]:
        """Serve until the job called "last" has ended."""
        Worker(self.hear).serve(self.lines())
        return self.events

    @property
    def ends(self) -> list[tuple[str, Outcome]]:
        return [(event.job, event.status) for event in self.events if isinstance(event, End)]


def as_json(plan: TrainingPlan, name: str) -> dict[str, Any]:
    return plan.model_copy(update={"name": name}).model_dump(mode="json")


def test_it_runs_one_job_after_another(make_plan: PlanMaker) -> None:
    talk, plans = Conversation(), [make_plan({"epochs": 1}) for _ in range(2)]
    talk.say(as_json(plans[0], "first"))
    talk.say("")
    talk.say(as_json(plans[1], "last"))
    events = talk.hold()
    assert isinstance(events[0], Ready)
    assert "torch" in events[0].libraries
    assert talk.ends == [("first", Outcome.COMPLETED), ("last", Outcome.COMPLETED)]
    assert [event.result.name for event in events if isinstance(event, Result)] == ["first", "last"]


def test_nothing_leaks_from_job_to_job(make_plan: PlanMaker) -> None:
    clean, after = make_plan({"epochs": 1, "drop-rate": 0.2}), make_plan({"epochs": 1, "drop-rate": 0.2})
    run(clean)
    torch.manual_seed(123)
    np.random.seed(123)
    random.seed(123)                # what a library in the job before might have done
    talk = Conversation()
    talk.say(as_json(make_plan({"epochs": 1, "optimizer": "sgd", "lr": 1.0}, seed=3), "first"))
    talk.say(as_json(after, "last"))
    talk.hold()
    assert are_equal(best_weights(clean), best_weights(after))


def test_threads_are_those_of_each_job(make_plan: PlanMaker) -> None:
    talk, plan = Conversation(), make_plan({"epochs": 1})
    greedy = plan.model_copy(update={"compute": plan.compute.model_copy(update={"threads": 2})})
    talk.say(as_json(greedy.model_copy(update={"directory": plan.directory / "x"}), "first"))
    talk.say(as_json(plan, "last"))
    talk.hold()
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("message", "told"),
    [('{"name": "odd"}', "directory"), ("not json", "the plan"), ("[1]", "the plan"), ('{"errand": "dance"}', "dance")],
)
def test_a_wrong_message_ends_but_not_the_worker(make_plan: PlanMaker, message: str, told: str) -> None:
    talk = Conversation()
    talk.say(message)
    talk.say(as_json(make_plan({"epochs": 1}), "last"))
    events = talk.hold()
    wrong = next(event for event in events if isinstance(event, End))
    assert wrong.status is Outcome.FAILED
    assert told in (wrong.reason or "")
    assert talk.ends[-1] == ("last", Outcome.COMPLETED)


def test_a_job_that_fails_is_followed_by_the_next(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    talk, broken = Conversation(), make_plan({"epochs": 1, "drop-rate": 0.77})
    create = trainer.create_loss

    def failing(plan: Any, labels: Any, classes: int, device: torch.device) -> Any:
        if labels is not None and broken_now:
            broken_now.pop()
            raise ZeroDivisionError("a bug of ours")
        return create(plan, labels, classes, device)

    broken_now = [True]
    monkeypatch.setattr(trainer, "create_loss", failing)
    talk.say(as_json(broken, "first"))
    talk.say(as_json(make_plan({"epochs": 1}), "last"))
    events = talk.hold()
    assert talk.ends == [("first", Outcome.FAILED), ("last", Outcome.COMPLETED)]
    reasons = [event.reason for event in events if isinstance(event, Failure)]
    assert reasons == ["unexpected ZeroDivisionError: a bug of ours; the log has the details"]
    assert (broken.directory / "output" / "failure").read_text().strip() == reasons[0]


def test_a_stop_ends_the_running_job_after_its_epoch(make_plan: PlanMaker) -> None:
    talk = Conversation()
    talk.answers[Epoch] = [{"stop": "last"}]
    talk.say(as_json(make_plan({"epochs": 10_000}), "last"))
    events = talk.hold()
    assert talk.ends == [("last", Outcome.STOPPED)]
    result = next(event.result for event in events if isinstance(event, Result))
    assert 1 <= result.epochs < 10_000
    assert result.metrics["valid"] is not None


def test_a_stop_that_comes_before_its_job_counts(make_plan: PlanMaker) -> None:
    talk = Conversation()
    talk.say({"stop": "last"})
    talk.say({"stop": "somebody else"})
    talk.say(as_json(make_plan({"epochs": 500}), "last"))
    talk.hold()
    assert talk.ends == [("last", Outcome.STOPPED)]


def test_an_idle_worker_leaves_when_told() -> None:
    talk = Conversation()
    worker = Worker(talk.hear)
    threading.Timer(0.1, worker.leave).start()
    worker.serve(talk.lines())
    assert [type(event) for event in talk.events] == [Ready]


def test_an_errand_is_answered(make_plan: PlanMaker) -> None:
    talk, plan = Conversation(), make_plan({"epochs": 1})
    settings = plan.settings.model_dump(mode="json")
    talk.say({"errand": "find-weights", "network": "small_cnn", "settings": settings})
    talk.say(as_json(plan, "last"))
    events = talk.hold()
    assert [event.answer["pretrained"] for event in events if isinstance(event, Answer)] == [False]
    assert talk.ends[0] == ("find-weights", Outcome.COMPLETED)
