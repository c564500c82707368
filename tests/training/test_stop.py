from __future__ import annotations

from tintype.training.stop import Patience, Stop


def test_asking_again_only_makes_it_more_urgent() -> None:
    stop = Stop()
    assert not stop.after_epoch
    stop.ask(Patience.AFTER_EPOCH)
    assert (stop.after_epoch, stop.after_step) == (True, False)
    stop.ask(Patience.AFTER_STEP)
    stop.ask(Patience.AFTER_EPOCH)
    assert (stop.after_epoch, stop.after_step) == (True, True)
