from __future__ import annotations

import numpy as np
import torch

from tests.training.small_jobs import PlanMaker
from tintype.training.distributed import World
from tintype.training.feed import Batch, Feed, reseed
from tintype.training.plan import TrainingPlan
from tintype.training.session import Host, Session, open_session
from tintype.training.steps import random_stream


def session(plan: TrainingPlan, world: World | None = None) -> Session:
    return open_session(plan, lambda _: None, Host(world or World()))


def batches(feed: Feed, epoch: int, first: int = 0) -> list[Batch]:
    return [batch for _, made in feed.epoch(epoch, first) for batch in made]


def same(one: list[Batch], other: list[Batch]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a.images, b.images) and torch.equal(a.targets.labels, b.targets.labels) for a, b in pairs)


def test_an_epoch_shows_every_image_once(make_plan: PlanMaker) -> None:
    opened = session(make_plan({"augmentation": "none", "batch-size": 16}))
    feed = Feed(opened)
    found = batches(feed, 0)
    assert len(found) == feed.steps == -(-len(opened.material.train) // 16)
    labels = torch.cat([batch.targets.labels for batch in found]).numpy()
    assert np.array_equal(np.bincount(labels), np.bincount(opened.material.train.labels))
    assert all(batch.weight == 1.0 for batch in found)


def test_images_are_what_a_network_takes(make_plan: PlanMaker) -> None:
    for augmentation in ("none", "crop-flip", "randaugment"):
        images = batches(Feed(session(make_plan({"augmentation": augmentation}))), 0)[0].images
        assert images.shape == (8, 3, 16, 16)
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert abs(float(images.mean())) < 1.0


def test_seed_and_epoch_fix_everything(make_plan: PlanMaker) -> None:
    plan = make_plan({"augmentation": "randaugment", "mixup": 0.2, "cutmix": 1.0})
    one, other = Feed(session(plan)), Feed(session(plan))
    assert same(batches(one, 3), batches(other, 3))
    assert not same(batches(one, 3), batches(one, 4))
    assert not same(batches(one, 3), batches(Feed(session(plan.model_copy(update={"seed": 1}))), 3))


def test_an_epoch_can_be_taken_up_in_the_middle(make_plan: PlanMaker) -> None:
    feed = Feed(session(make_plan({"mixup": 0.2})))
    assert same(batches(feed, 1)[2:], batches(feed, 1, first=2))
    assert [step for step, _ in feed.epoch(1, first=2)] == list(range(2, feed.steps))
    assert batches(feed, 1, first=feed.steps) == []


def test_two_processes_share_the_batch_of_one(make_plan: PlanMaker) -> None:
    alone = Feed(session(make_plan({"batch-size": 16})))
    first, second = (Feed(session(make_plan({"batch-size": 8}), World(rank, 2))) for rank in range(2))
    assert alone.steps == first.steps == second.steps
    for whole, left, right in zip(batches(alone, 0), batches(first, 0), batches(second, 0), strict=True):
        assert torch.allclose(whole.images, torch.cat([left.images, right.images]), atol=1e-5)
        assert torch.equal(whole.targets.labels, torch.cat([left.targets.labels, right.targets.labels]))
        assert left.weight + right.weight == 2.0


def test_accumulated_batches_weigh_what_they_hold(make_plan: PlanMaker) -> None:
    feed = Feed(session(make_plan({"batch-size": 8, "accumulate": 4})))
    steps = [made for _, made in feed.epoch(0)]
    assert [len(made) for made in steps] == [4, 2]                                  # 42 = 32 + 10, of which 2 join 8
    for made in steps:
        assert abs(sum(batch.weight for batch in made) - 1.0) < 1e-9


def test_a_last_image_alone_is_left_out(make_plan: PlanMaker) -> None:
    opened = session(make_plan({"batch-size": 41}))
    assert len(opened.material.train) == 42
    assert [len(batch.images) for batch in batches(Feed(opened), 0)] == [41]


def test_balanced_sampling_draws_rare_classes_more(make_plan: PlanMaker) -> None:
    opened = session(make_plan({"class-weights": "sampling", "augmentation": "none"}))
    feed = Feed(opened)
    labels = torch.cat([batch.targets.labels for epoch in range(5) for batch in batches(feed, epoch)])
    assert len(labels) == 5 * len(opened.material.train)
    assert int(torch.bincount(labels).min()) > 0.7 * len(labels) / 3


def test_streams_differ_from_step_to_step() -> None:
    draws = {random_stream(seed, epoch, step).random() for seed in (0, 1) for epoch in (0, 1) for step in range(5)}
    assert len(draws) == 20


def test_dropout_is_a_function_of_the_step(make_plan: PlanMaker) -> None:
    place = session(make_plan()).place

    def drawn(step: int, rank: int = 0) -> float:
        reseed(place, 0, 0, step, rank)
        return float(torch.rand(1))

    assert drawn(1) == drawn(1)
    assert len({drawn(1), drawn(2), drawn(1, rank=1)}) == 3
