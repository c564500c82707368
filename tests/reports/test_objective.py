from __future__ import annotations

from tintype.reports.objective import Objective


def test_shares_read_in_per_cent() -> None:
    accuracy = Objective("valid:accuracy", maximise=True)
    assert accuracy.words == "validation accuracy"
    assert accuracy.written(0.941) == "94.1%"
    assert accuracy.better(0.9, 0.8)


def test_metrics_of_scripts_keep_their_names() -> None:
    loss = Objective("average test loss", maximise=False)
    assert loss.words == "average test loss"
    assert loss.written(0.94123) == "0.9412"
    assert loss.better(0.8, 0.9)
    assert loss.written(None) == "–"
