"""From what is wanted to what is, step by step, with kills in between, and nobody's request lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.serving.stand_in import Stable, asked, config
from tintype.errors import JobFailed, NotFound, StorageFailed
from tintype.serving.endpoints.config import ModelSource, ProductionVariant, ShadowVariant
from tintype.serving.endpoints.desired import Observed, Wishes
from tintype.serving.endpoints.kept_models import KeptModels
from tintype.serving.updates.reconciler import ROLLING_BACK, Reconciler
from tintype.serving.updates.rollout import DeploymentPolicy, Shift
from tintype.serving.variants.live_endpoint import LiveEndpoint
from tintype.serving.variants.scaling import Scaling
from tintype.serving.watching.capture import CaptureConfig

AT_ONCE = DeploymentPolicy(bake_seconds=1)


class World:
    """One endpoint on a clock of our own."""

    def __init__(self, directory: Path, stable: Stable | None = None) -> None:
        self.now = 0.0
        self.wishes = Wishes(directory)
        self.stable = stable or Stable()
        self.stable.clock = lambda: self.now
        self.live = LiveEndpoint(clock=lambda: self.now)
        self.models = KeptModels(directory / "models")
        self.reconciler = Reconciler(
            self.live,
            self.wishes,
            self.stable.start,
            self.models,
            captures=directory / "capture",
            clock=lambda: self.now,
        )

    async def turns(self, count: int = 6, seconds: float = 0.0) -> Observed:
        """So many turns with so much time between them; what was written last."""
        if not self.live.routes:
            await self.reconciler.start()
        for _ in range(count):
            await self.reconciler.turn()
            await asyncio.sleep(0)
            self.now += seconds
        return self.wishes.observed()

    async def asks(self, count: int = 20) -> set[str]:
        """Whoever answers."""
        return {(await self.live.invoke(asked(number))).content.decode() for number in range(count)}


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())


def test_a_first_start_and_a_change_of_weights_in_place(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant", "bee"))
        seen = await world.turns()
        assert (seen.version, seen.stage) == (1, "")
        assert seen.settled(1)
        assert not seen.settled(2)
        assert await world.asks() == {"ant", "bee"}
        world.wishes.wish(config("ant", "bee", weights=(1, 0)).with_workers({"v0": 3}))
        assert (await world.turns()).version == 2
        assert await world.asks() == {"ant"}
        assert world.stable.of("ant").workers == 3
        assert len(world.stable.started) == 2           # nobody was started anew
        await world.reconciler.close()
        assert all(one.stopped for one in world.stable.started)

    play(scene)


def test_an_update_is_shifted_baked_and_done(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant"))
        await world.turns()
        policy = DeploymentPolicy(shift=Shift.CANARY, step_percent=20, step_seconds=10, bake_seconds=10)
        world.wishes.wish(config("bee", policy=policy))
        seen = await world.turns(4)
        assert (seen.version, seen.stage, seen.share) == (1, "Shifting", 0.2)
        answers = [(await world.live.invoke(asked(number))).content for number in range(100)]
        assert abs(answers.count(b"bee") - 20) <= 2
        seen = await world.turns(3, seconds=5)
        assert (seen.stage, seen.share) == ("Baking", 1.0)
        assert await world.asks() == {"bee"}
        assert not world.stable.of("ant").stopped        # it waits
        seen = await world.turns(4, seconds=5)
        assert (seen.version, seen.stage, seen.share) == (2, "", 0.0)
        assert world.stable.of("ant").stopped
        assert world.live.fallback == ()
        await world.reconciler.close()

    play(scene)


@pytest.mark.parametrize(
    ("archive", "reason"), [("broken", "requests failed"), ("will-not-start", "no module named 'nope'")]
)
def test_a_bad_update_goes_back_by_itself_and_is_not_tried_again(tmp_path: Path, archive: str, reason: str) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant"))
        await world.turns()
        world.wishes.wish(config(archive, policy=AT_ONCE))
        await world.turns(4)
        assert await world.asks(30) == {"ant"}           # rescued, or never asked
        seen = await world.turns(1)
        assert seen.stage == (ROLLING_BACK if archive == "broken" else "")      # what never started is gone already
        seen = await world.turns(6, seconds=10)
        assert (seen.version, seen.rejected, seen.stage) == (1, 2, "")
        assert reason in seen.reason
        assert seen.settled(2)
        assert await world.asks() == {"ant"}
        assert all(one.stopped for one in world.stable.started if one.label == archive)
        # A restart does not try it again; a newer wish is tried.
        again = World(tmp_path, world.stable)
        await again.turns(10, seconds=10)
        assert await again.asks() == {"ant"}
        again.wishes.wish(config("bee", policy=AT_ONCE))
        assert (await again.turns(8, seconds=1)).version == 3
        assert await again.asks() == {"bee"}
        await again.reconciler.close()
        await world.reconciler.close()

    play(scene)


def test_killed_in_the_middle_of_an_update_it_begins_the_update_anew(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant"))
        await world.turns()
        world.wishes.wish(config("bee", policy=DeploymentPolicy(bake_seconds=100)))
        assert (await world.turns()).stage == "Baking"
        # Killed here: nothing more of `world`. The next front knows the two files alone.
        again = World(tmp_path)
        await again.turns(0)
        assert await again.asks() == {"ant"}             # what is known to be good comes first
        seen = await again.turns(6)
        assert (seen.version, seen.stage) == (1, "Baking")
        again.now += 101
        assert (await again.turns(2)).version == 2
        assert await again.asks() == {"bee"}
        await again.reconciler.close()

    play(scene)


def test_a_newer_wish_takes_the_place_of_an_update_under_way(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant"))
        await world.turns()
        world.wishes.wish(config("bee", policy=DeploymentPolicy(bake_seconds=100)))
        await world.turns()
        world.wishes.wish(config("wasp", policy=AT_ONCE))
        seen = await world.turns(12, seconds=1)
        assert (seen.version, seen.stage) == (3, "")
        assert await world.asks() == {"wasp"}
        assert world.stable.of("bee").stopped
        await world.reconciler.close()

    play(scene)


def test_a_first_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("will-not-start"))
        with pytest.raises(JobFailed, match="exit code 1"):
            await world.turns()
        assert world.stable.started == []
        assert world.wishes.observed() == Observed()
        await world.reconciler.close()

    play(scene)


def test_of_two_variants_one_does_not_start(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant", "will-not-start"))
        with pytest.raises(JobFailed):
            await world.turns()
        assert [one.stopped for one in world.stable.started] == [True]
        await world.reconciler.close()

    play(scene)


def test_shadows_and_capture_come_and_go(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        shadow = ShadowVariant(name="s", model=ModelSource(archive="bee"))
        world.wishes.wish(config("ant", shadows=(shadow,), capture=CaptureConfig()))
        await world.turns()
        await world.asks(3)
        while world.live.facts()["shadows"][0]["compared"] < 3:
            await asyncio.sleep(0)
        world.wishes.wish(config("ant"))
        await world.turns()
        assert world.live.shadows == {}
        assert world.live.capture is None
        assert world.stable.of("bee").stopped
        await world.reconciler.close()
        lines = [line for path in tmp_path.rglob("*.jsonl") for line in path.read_text().splitlines()]
        assert len(lines) == 3

    play(scene)


def test_a_shadow_that_does_not_start_harms_nobody(tmp_path: Path, caplog) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        bad = ShadowVariant(name="s", model=ModelSource(archive="will-not-start"))
        world.wishes.wish(config("ant", shadows=(bad,)))
        assert (await world.turns()).version == 1
        assert await world.asks() == {"ant"}
        await world.reconciler.close()

    play(scene)
    assert "shadow s does not start" in caplog.text


def test_workers_follow_the_load(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        scaling = Scaling(fewest=1, most=4, target=1.0, out_seconds=2, in_seconds=20)
        variant = ProductionVariant(model=ModelSource(archive="ant", environment={"seconds": "1"}), scaling=scaling)
        world.wishes.wish(config("x").model_copy(update={"variants": (variant,)}))
        await world.turns()
        requests = [asyncio.create_task(world.live.invoke(asked(number))) for number in range(12)]
        await asyncio.sleep(0)
        await world.turns(25, seconds=0.2)
        assert world.stable.of("ant").workers == 4
        await asyncio.gather(*requests)
        await world.turns(60, seconds=1)
        assert world.stable.of("ant").workers == 1
        await world.reconciler.close()

    play(scene)


def test_a_full_disk_is_told_once_and_what_is_said_later_is_written(tmp_path: Path, caplog, monkeypatch) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant"))
        await world.turns()

        def full(*_: object) -> None:
            raise StorageFailed("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(Wishes, "tell", full)
            world.wishes.wish(config("bee", policy=DeploymentPolicy(bake_seconds=0)))
            await world.turns(8, seconds=1)
            assert await world.asks() == {"bee"}             # it goes on all the same
            assert world.wishes.observed().version == 1
        assert (await world.turns(1)).version == 2
        await world.reconciler.close()

    play(scene)
    assert caplog.text.count("the disk is full") == 1


def test_damaged_and_missing_files_are_told_and_survived(tmp_path: Path, caplog) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        with pytest.raises(NotFound):
            await world.turns(1)                         # there is no wish yet
        world.wishes.wish(config("ant"))
        await world.turns()
        world.wishes.desired_file.write_text("{")
        await world.turns(2)
        assert await world.asks() == {"ant"}
        await world.reconciler.close()

    play(scene)
    assert "desired.json" in caplog.text


def test_an_archive_that_cannot_be_kept_is_an_update_that_is_given_up(tmp_path: Path) -> None:
    async def scene() -> None:
        world = World(tmp_path)
        world.wishes.wish(config("ant"))
        await world.turns()
        archive = tmp_path / "bee.tar.gz"
        archive.write_bytes(b"bee")
        world.models.root.write_text("no folder")
        world.wishes.wish(config(str(archive), policy=AT_ONCE))
        seen = await world.turns()
        assert (seen.version, seen.rejected, seen.stage) == (1, 2, "")
        assert "models" in seen.reason
        assert await world.asks() == {"ant"}
        assert world.wishes.standing().config == config("ant")
        world.models.root.unlink()                      # mended: the next one goes through
        world.wishes.wish(config(str(archive), policy=AT_ONCE))
        seen = await world.turns(8, seconds=1)
        assert (seen.version, seen.reason) == (3, "")
        (kept,) = await world.asks()
        assert Path(kept).parent.parent == world.models.root
        archive.unlink()                                # other weights need no archive, and start nothing anew
        world.wishes.wish(world.wishes.standing().config.with_weights({"v0": 5}))
        seen = await world.turns()
        assert (seen.version, await world.asks(), len(world.stable.started)) == (4, {kept}, 2)

    play(scene)
