from __future__ import annotations

import pytest
import torch

from tests.training.small_jobs import PlanMaker
from tintype.training import evaluation as evaluation_module
from tintype.training.evaluation import Evaluator
from tintype.training.session import Host, Session, open_session


@pytest.fixture
def session(make_plan: PlanMaker) -> Session:
    return open_session(make_plan(), print, Host())


def test_every_image_is_judged_as_serving_would_prepare_it(session: Session) -> None:
    module = session.create_network().module
    found = Evaluator(session, session.material.valid)(module)
    split, preprocessing = session.material.valid, session.material.preprocessing
    images = torch.from_numpy(preprocessing.normalise(split.cache.gather(split.rows)))
    with torch.inference_mode():
        expected = module.eval()(images)
    assert torch.allclose(found.logits, expected, atol=1e-4)
    assert found.probabilities.sum(dim=1).tolist() == pytest.approx([1.0] * len(split))
    assert found.score.accuracy == pytest.approx(
        float((expected.argmax(1) == torch.from_numpy(split.labels)).float().mean())
    )


def test_batches_do_not_change_the_answers(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    module = session.create_network().module
    whole = Evaluator(session, session.material.valid)(module)
    monkeypatch.setattr(evaluation_module, "LARGEST_BATCH", 2)
    pieces = Evaluator(session, session.material.valid)(module)
    assert torch.allclose(whole.logits, pieces.logits, atol=1e-5)


def test_nothing_is_learned_from_it(session: Session) -> None:
    module = session.create_network().module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    Evaluator(session, session.material.valid)(module)
    assert not module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
