"""What every record store must do: documents, measurements, lists, leases."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tintype.errors import Conflict, LeaseLost, NotFound
from tintype.records import Lease, Measurement, Owner, Record, Records, SortBy

ME = Owner("here", "boot", "pid:[1]", 100, 5)
OTHER = Owner("there", "boot", "pid:[1]", 100, 7)


def plus_one(record: Record) -> tuple[dict[str, int], str]:
    return {"n": record.document["n"] + 1}, record.status


class Clock:
    """Seconds that pass when asked."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


class RecordsContract:
    """What every store must do; a subclass says where the store is."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        raise NotImplementedError

    @pytest.fixture
    def records(self, url: str) -> Iterator[Records]:
        opened = Records.open(url, Clock())
        yield opened
        opened.close()

    def test_what_was_created_is_read_back(self, records: Records) -> None:
        document = {"a": [1, 2.5, None, True], "Ünï": {"画": "像"}, "big": 2**60}
        created = records.create("training-job", "one", document, status="InProgress", parent="run-1")
        assert created == records.get("training-job", "one") == records.find("training-job", "one")
        assert created.document == document
        assert (created.version, created.status, created.parent) == (1, "InProgress", "run-1")
        assert created.created_at == created.updated_at

    def test_a_name_is_taken_once_in_a_kind(self, records: Records) -> None:
        records.create("training-job", "one", {})
        with pytest.raises(Conflict, match="a training job named 'one' is there already"):
            records.create("training-job", "one", {"other": 1})
        records.create("endpoint", "one", {})
        assert records.get("training-job", "one").document == {}

    def test_a_missing_name_lists_near_ones(self, records: Records) -> None:
        with pytest.raises(NotFound, match="no training job named 'ant'; there are none"):
            records.get("training-job", "ant")
        records.create("training-job", "ants", {})
        with pytest.raises(NotFound, match="did you mean 'ants'"):
            records.get("training-job", "ant")
        assert records.find("training-job", "ant") is None

    def test_a_change_raises_the_version_and_keeps_the_birth(self, records: Records) -> None:
        created = records.create("job", "one", {"n": 1}, status="a", parent="p")
        changed = records.replace(created, {"n": 2}, status="b")
        assert changed == records.get("job", "one")
        assert (changed.version, changed.status, changed.parent, changed.document) == (2, "b", "p", {"n": 2})
        assert changed.created_at == created.created_at < changed.updated_at
        assert records.replace(changed, {"n": 3}).status == "b"

    def test_the_second_of_two_writers_gets_a_conflict(self, records: Records) -> None:
        read = records.create("job", "one", {"n": 1})
        records.replace(read, {"n": 2})
        with pytest.raises(Conflict, match="read it again"):
            records.replace(read, {"n": 3})
        assert records.get("job", "one").document == {"n": 2}

    def test_a_deleted_record_cannot_be_replaced(self, records: Records) -> None:
        read = records.create("job", "one", {})
        records.delete("job", "one")
        with pytest.raises(Conflict, match="changed or deleted"):
            records.replace(read, {})
        with pytest.raises(NotFound):
            records.delete("job", "one")
        with pytest.raises(NotFound):
            records.update("job", "one", lambda record: (record.document, record.status))

    def test_deleting_takes_a_history_only_when_asked(self, records: Records) -> None:
        records.measure("one", [Measurement("loss", 1, 0.5)])
        records.create("endpoint", "one", {})
        records.delete("endpoint", "one")
        assert len(records.measurements("one")) == 1
        with pytest.raises(NotFound):
            records.delete("job", "one", measurements=True)
        assert len(records.measurements("one")) == 1
        records.create("job", "one", {})
        records.delete("job", "one", measurements=True)
        assert records.measurements("one") == []

    def test_lists_are_newest_first_and_can_be_narrowed(self, records: Records) -> None:
        for number in range(6):
            records.create("job", f"j{number}", {}, status="ab"[number % 2], parent="xy"[number // 3])
        records.create("run", "r", {}, status="a", parent="x")

        def names(**options: object) -> list[str]:
            return [one.name for one in records.list("job", **options)]  # type: ignore[arg-type]

        assert names() == ["j5", "j4", "j3", "j2", "j1", "j0"]
        assert names(ascending=True, limit=2) == ["j0", "j1"]
        assert names(limit=2, offset=1) == ["j4", "j3"]
        assert names(status="a") == ["j4", "j2", "j0"]
        assert names(status="b", parent="y") == ["j5", "j3"]
        assert names(parent="z") == []
        assert names(offset=4) == ["j1", "j0"]
        assert records.names("job") == [f"j{number}" for number in range(6)]

    def test_measurements_come_back_in_order(self, records: Records) -> None:
        records.measure("one", [Measurement("loss", 1, 0.5), Measurement("accuracy", 1, 0.25, at=3.5)])
        records.measure("one", [Measurement("loss", 2, 0.125)])
        records.measure("two", [Measurement("loss", 9, 9.0)])
        records.measure("one", [])
        found = records.measurements("one")
        assert [(one.name, one.step, one.value) for one in found] == [
            ("loss", 1, 0.5), ("accuracy", 1, 0.25), ("loss", 2, 0.125),
        ]  # fmt: skip
        assert found[1].at == 3.5
        assert found[0].at > 1_700_000_000
        assert [one.step for one in records.measurements("one", "loss")] == [1, 2]
        assert records.measurements("nobody") == []

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1e308, 5e-324])
    def test_any_float_is_a_measurement(self, records: Records, value: float) -> None:
        records.measure("one", [Measurement("loss", 1, value)])
        (found,) = records.measurements("one")
        assert found.value == value or (math.isnan(found.value) and math.isnan(value))

    @pytest.mark.parametrize("name", ["", "a'b\"; DROP TABLE documents; --", "%", "画像", "a" * 256, "a\nb"])
    def test_any_text_is_a_name(self, records: Records, name: str) -> None:
        records.create("job", name, {"name": name}, status=name[:40], parent=name)
        records.create("job", "other", {})
        assert records.get("job", name).document == {"name": name}
        assert [one.name for one in records.list("job", parent=name) if name] in ([name], [])

    def test_threads_lose_nothing(self, records: Records) -> None:
        records.create("job", "counter", {"n": 0})
        failures: list[BaseException] = []

        def work(worker: int) -> None:
            try:
                for number in range(20):
                    records.update("job", "counter", plus_one)
                    records.create("job", f"{worker}-{number}", {})
                    records.measure("shared", [Measurement("n", number, float(worker))])
            except BaseException as error:      # a thread's failure must fail the test
                failures.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert records.get("job", "counter").document == {"n": 100}
        assert records.get("job", "counter").version == 101
        assert len(records.names("job")) == 101
        assert len(records.measurements("shared")) == 100

    def test_half_a_character_is_kept(self, records: Records) -> None:
        records.create("job", "one", {"reason": "\udc80 and \x00"})
        assert records.get("job", "one").document == {"reason": "\udc80 and \x00"}

    def test_a_page_of_a_list_and_its_number(self, records: Records) -> None:
        """The clock says 1_700_000_001 for the first."""
        for number, name in enumerate(("bee", "Ant", "ant-2", "cat")):
            records.create("job", name, {"n": number}, status="xxyz"[number], parent="p" if number == 3 else "")
        records.update("job", "bee", plus_one)                  # at 5
        origin = 1_700_000_000

        def names(**options: object) -> list[str]:
            found = [one.name for one in records.list("job", **options)]  # type: ignore[arg-type]
            cut = {"limit", "offset", "sort_by", "ascending"}
            filters = {key: value for key, value in options.items() if key not in cut}
            if not cut & options.keys():
                assert records.count("job", **filters) == len(found)  # type: ignore[arg-type]
            return found

        assert names(name_contains="ANT") == ["ant-2", "Ant"]
        assert names(name_contains="%") == names(name_contains="_") == []
        assert names(created_after=origin + 2, created_before=origin + 3) == ["ant-2", "Ant"]
        assert names(changed_after=origin + 4) == ["cat", "bee"]
        assert names(changed_before=origin + 3, parent="") == ["ant-2", "Ant"]
        assert names(status=("y", "z")) == ["cat", "ant-2"]
        assert names(status="x", parent="") == ["Ant", "bee"]
        assert names(sort_by=SortBy.NAME, ascending=True) == ["Ant", "ant-2", "bee", "cat"]
        assert names(sort_by=SortBy.STATUS) == ["cat", "ant-2", "Ant", "bee"]
        assert names(sort_by=SortBy.LAST_MODIFIED_TIME, limit=2) == ["bee", "cat"]
        assert names(sort_by=SortBy.NAME, limit=2, offset=1) == ["bee", "ant-2"]
        assert names(offset=4) == names(status=()) == []

    def test_versions_of_a_parents_records(self, records: Records) -> None:
        for name in "ab":
            records.create("trial", name, {"n": 0}, parent="p")
        records.create("trial", "c", {}, parent="q")
        records.create("job", "d", {}, parent="p")
        records.update("trial", "b", plus_one)
        assert records.versions("trial", parent="p") == {"a": 1, "b": 2}

    def test_the_latest_of_each_metric(self, records: Records) -> None:
        records.measure("a", [Measurement("loss", 1, 0.5, 1.0), Measurement("accuracy", 1, 0.7, 1.0)])
        records.measure("a", [Measurement("loss", 2, float("nan"), 2.0)])
        records.measure("b", [Measurement("loss", 1, 9.0, 3.0)])
        accuracy, loss = records.latest("a")
        assert (accuracy.name, accuracy.value) == ("accuracy", 0.7)
        assert (loss.step, loss.at, loss.value != loss.value) == (2, 2.0, True)
        assert records.latest("c") == []

    def test_measurements_after_those_that_were_read(self, records: Records) -> None:
        records.measure("one", [Measurement("loss", 1, 0.5), Measurement("loss", 2, 0.25)])
        read = records.measurements("one")
        assert 0 < read[0].id < read[1].id
        assert records.measurements("one", after=read[-1].id) == []
        records.measure("one", [Measurement("accuracy", 2, 0.75), Measurement("loss", 3, 0.125)])
        assert [one.value for one in records.measurements("one", after=read[-1].id)] == [0.75, 0.125]
        assert [one.value for one in records.measurements("one", "loss", after=read[0].id)] == [0.25, 0.125]

    # leases

    def test_a_lease_has_one_holder(self, records: Records) -> None:
        lease = records.lease("job", "one", ME)
        assert lease == Lease("job", "one", 1, ME) == records.holder("job", "one")
        with pytest.raises(Conflict, match="job 'one' is looked after by process 100 on here"):
            records.lease("job", "one", OTHER)
        records.release(lease)
        assert records.holder("job", "one") is None
        assert records.lease("job", "one", OTHER).token == 2
        assert records.lease("endpoint", "one", ME).token == 1
        assert [(one.name, one.owner) for one in records.holders("job")] == [("one", OTHER)]

    def test_a_lost_lease_is_taken_over_unless_it_was_renewed(self, records: Records) -> None:
        first = records.lease("job", "one", ME)
        seen = records.holder("job", "one")
        records.renew(first)
        with pytest.raises(Conflict, match="looked after"):
            records.lease("job", "one", OTHER, over=seen)
        seen = records.holder("job", "one")
        assert seen is not None
        assert seen.renewals == 1
        second = records.lease("job", "one", OTHER, over=seen)
        assert (second.token, second.renewals) == (2, 0)
        with pytest.raises(Conflict):                       # two observers judged the same
            records.lease("job", "one", ME, over=seen)
        records.release(first)                              # the frozen one revived: it gives back what it has not
        assert records.holder("job", "one") == second

    def test_who_was_replaced_cannot_write(self, records: Records) -> None:
        first = records.lease("job", "one", ME)
        read = records.create("job", "one", {"n": 0})
        read = records.replace(read, {"n": 1}, lease=first)
        records.measure("one", [Measurement("loss", 1, 0.5)], lease=first)
        held = records.holder("job", "one")
        assert held is not None
        assert held.renewals == 2                           # a write is a sign of life
        records.lease("job", "one", OTHER, over=held)
        with pytest.raises(LeaseLost, match=r"the lease of job 'one' \(token 1\) was taken over"):
            records.replace(read, {"n": 2}, lease=first)
        with pytest.raises(LeaseLost):
            records.update("job", "one", plus_one, lease=first)
        with pytest.raises(LeaseLost):
            records.measure("one", [Measurement("loss", 2, 0.5)], lease=first)
        with pytest.raises(LeaseLost):
            records.renew(first)
        with pytest.raises(LeaseLost):
            records.create("trial", "two", {}, lease=first)
        assert records.find("trial", "two") is None
        assert records.get("job", "one") == read
        assert len(records.measurements("one")) == 1

    def test_a_lease_does_not_outlive_its_document(self, records: Records) -> None:
        records.create("job", "one", {"n": 0})
        lease = records.lease("job", "one", ME)
        records.delete("job", "one")
        records.create("job", "one", {"n": 0})
        with pytest.raises(LeaseLost):
            records.update("job", "one", plus_one, lease=lease)
        assert records.lease("job", "one", ME).token == 3

    def test_a_conflict_of_versions_is_told_from_a_lost_lease(self, records: Records) -> None:
        lease = records.lease("job", "one", ME)
        read = records.create("job", "one", {"n": 0})
        records.update("job", "one", plus_one)              # somebody without the lease, who asked for a stop
        with pytest.raises(Conflict) as caught:
            records.replace(read, {"n": 9}, lease=lease)
        assert not isinstance(caught.value, LeaseLost)
        assert records.update("job", "one", plus_one, lease=lease).document == {"n": 2}

    def test_of_many_that_want_a_lease_one_gets_it(self, records: Records) -> None:
        for name, over in (("new", None), ("lost", records.lease("job", "lost", ME))):
            taken: list[Lease] = []
            refused: list[Conflict] = []

            def want(number: int, name: str = name, over: Lease | None = over, taken: list[Lease] = taken,
                     refused: list[Conflict] = refused) -> None:  # fmt: skip
                try:
                    taken.append(records.lease("job", name, Owner("h", "b", "", number, 1), over=over))
                except Conflict as error:
                    refused.append(error)

            threads = [threading.Thread(target=want, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (len(taken), len(refused)) == (1, 5)
            assert records.holder("job", name) == taken[0]
