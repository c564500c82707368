from __future__ import annotations

from dataclasses import replace

from tintype.records import Lease, LeaseWatch, Owner

HERE = Owner.of()
ELSEWHERE = replace(HERE, host="elsewhere")
TTL = 10.0


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_that_is_renewed_is_never_lost() -> None:
    timer = Timer()
    watch, lease = LeaseWatch(TTL, HERE, timer), Lease("job", "a", 1, ELSEWHERE)
    for _ in range(5):
        assert not watch.is_lost(lease)
        timer.now += TTL - 1
        assert not watch.is_lost(lease)
        lease = lease.renewed()


def test_a_silent_holder_loses_it_by_the_observers_own_timer() -> None:
    timer = Timer()
    watch, lease = LeaseWatch(TTL, HERE, timer), Lease("job", "a", 1, ELSEWHERE)
    assert not watch.is_lost(lease)             # whatever it was before we looked
    timer.now += TTL
    assert watch.is_lost(lease)
    assert not watch.is_lost(lease.renewed())   # it was only slow
    timer.now += TTL - 1
    assert not watch.is_lost(replace(lease, token=2))       # another holder, at its beginning
    watch.forget(lease)
    timer.now += TTL
    assert not watch.is_lost(replace(lease, token=2))


def test_leases_are_watched_one_by_one() -> None:
    timer = Timer()
    watch = LeaseWatch(TTL, HERE, timer)
    assert not watch.is_lost(Lease("job", "a", 1, ELSEWHERE))
    timer.now += TTL
    assert not watch.is_lost(Lease("job", "b", 1, ELSEWHERE))
    assert watch.is_lost(Lease("job", "a", 1, ELSEWHERE))


def test_a_dead_holder_loses_it_at_once() -> None:
    watch = LeaseWatch(TTL, HERE, Timer())
    assert watch.is_lost(Lease("job", "a", 1, replace(HERE, pid=2**22 + 1)))
    assert not watch.is_lost(Lease("job", "a", 1, HERE))
