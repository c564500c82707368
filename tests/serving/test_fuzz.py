"""A short fuzz of a real server; `make fuzz` runs a long one."""

from __future__ import annotations

from tests.serving.fuzz import PHOTOGRAPHS, fuzz
from tests.serving.mutations import bodies, corpus
from tests.serving.tiny_archive import CLASSES

COUNT, SEED = 1500, 20261130


def test_the_corpus_itself_is_answered(start_server, archive) -> None:
    running = start_server(archive)
    for content in corpus(PHOTOGRAPHS):
        answer = running.invoke(content)
        assert answer.status_code == 200, (answer.text, content[:20])
        assert answer.json()["predictions"][0]["label"] in CLASSES


def test_mutated_bodies_are_answered_or_refused_and_no_worker_is_lost(start_server, archive, picture) -> None:
    running = start_server(archive, "--max-pixels=4000000")
    outcome = fuzz(running, bodies(COUNT, SEED, PHOTOGRAPHS))
    assert outcome.is_good, (outcome.statuses, outcome.wrong[:3], running.log.read_text()[-2000:])
    assert sum(outcome.statuses.values()) == COUNT
    assert outcome.statuses[200] > 100
    assert outcome.statuses[400] > 100
    assert running.invoke(picture()).status_code == 200
