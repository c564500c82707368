from __future__ import annotations

import base64
import errno
import hashlib
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reports.reading import Document, read
from tintype.errors import StorageFailed
from tintype.reports import page
from tintype.reports.evidence import Album, Endpoint, Profile, RunEvidence
from tintype.reports.gathering import gather
from tintype.reports.page import LIMIT_BYTES, SECTIONS, render, write_report

Stage = Callable[..., RunEvidence]

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'; DROP TABLE classes; --",
    "{{ 7 * 7 }}{% raw %}",
    "</title></style></svg><svg onload=alert(3)>",
    "javascript:alert(4)",
    "ünïcödé 蟻 🐜 \u202eflipped\x00\ud800",
    "long" * 100,
)


def page_of(evidence: RunEvidence) -> Document:
    return read(render(gather(evidence)))


def assert_self_contained(document: Document) -> None:
    """Only our own script, nothing that is loaded, nothing that listens."""
    (script,) = document.all("script")
    assert script.attributes == {}
    for element in document.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), f"{element.tag} has {name}"
            if name in ("href", "src", "srcset", "action", "data", "poster", "xlink:href"):
                assert (value or "").startswith(("data:", "#")), f"{element.tag} loads {value}"
    assert not document.all("iframe")
    assert "url(" not in document.all("style")[0].text
    assert "@import" not in document.all("style")[0].text
    assert document.unclosed == []


def test_a_whole_run_has_every_section(stage: Stage) -> None:
    document = page_of(stage())
    assert {id for id, _ in SECTIONS} <= document.ids()
    assert_self_contained(document)
    assert "Nothing to show" not in document.words
    for words in ("test accuracy", "demo-20261121", "Trials over time", "The same file in two", "imageNotFound.gif"):
        assert words in document.words
    assert len(document.all("h1")) == 1


def test_headings_are_an_outline(stage: Stage) -> None:
    levels = [int(one.tag[1]) for one in page_of(stage()).elements if one.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_images_and_figures_have_words(stage: Stage) -> None:
    document = page_of(stage())
    assert all("alt" in one.attributes for one in document.all("img"))
    figures = [one for one in document.all("svg") if one.attributes.get("role") == "img"]
    assert len(figures) >= 9
    assert all(one.attributes["aria-label"] for one in figures)


def test_the_policy_lets_our_script_run_and_no_other(stage: Stage) -> None:
    document = page_of(stage())
    policy = next(one for one in document.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(document.all("script")[0].text.encode()).digest()).decode()
    content = policy.attributes["content"] or ""
    assert "default-src 'none'" in content
    assert f"script-src 'sha256-{digest}'" in content


def test_hostile_names_are_text_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    evidence = stage(classes=HOSTILE, accuracy=0.4)
    evil = HOSTILE[0]
    tuned = evidence.tuning
    assert tuned is not None
    trials = tuple(replace(one, hyperparameters={evil: evil}, name=evil, reason=evil) for one in tuned.trials)
    problem = {"kind": evil, "severity": evil, "title": evil, "count": 9, "files": HOSTILE, "advice": evil}
    document = page_of(
        replace(
            evidence,
            name=evil, location=evil, command=evil, environment={evil: evil}, phases={evil: 1.0, HOSTILE[1]: 2.0},
            tuning=replace(tuned, trials=trials, strategy=evil, objective=evil, importance={evil: 1.0}),
            endpoint=Endpoint(evil, "http://h/" + HOSTILE[1]),
            model=replace(evidence.model, network=evil, weights=evil, freeze=evil),
            album=replace(evidence.album, layout=evil, notes=HOSTILE),
            result={"quarantined": [{"path": one, "reason": one} for one in HOSTILE], "hyperparameters": {evil: evil}},
            check={"problems": [problem]},
        )
    )  # fmt: skip
    assert_self_contained(document)
    assert not [one for one in document.all("img") if not (one.attributes["src"] or "").startswith("data:image/jpeg")]
    assert "<script>alert(1)</script>" in document.words
    assert "{{ 7 * 7 }}" in document.words
    assert "\u202e" not in document.words
    assert "long" * 76 not in document.words            # cut to 300 characters where it is longest
    render(gather(evidence)).encode(errors="strict")


def test_hostile_file_names(stage: Stage, tmp_path: Path) -> None:
    evidence = stage(accuracy=0.0)
    paths = [f"{n}{HOSTILE[n % 3]}.jpg".replace("/", "_") for n in range(len(evidence.album.paths))]
    for old, new in zip(evidence.album.paths, paths, strict=True):
        (evidence.album.root / old).rename(evidence.album.root / new)
    document = page_of(replace(evidence, album=replace(evidence.album, paths=paths)))
    assert_self_contained(document)
    assert len(document.all("img")) > 12


@pytest.mark.parametrize(
    "wanted",
    [
        {"trials": 1, "epochs": 1},
        {"trials": 0},
        {"judged": ("valid",)},
        {"judged": ()},
        {"epochs": 0},
        {"classes": ("only",)},
        {"check": None, "endpoint": None, "phases": {}, "environment": {}},
        {"result": {}},
        {"seconds": 0.0, "phases": {"train": 0.0}},
        {"trials": 40, "epochs": 300, "classes": tuple(f"class {n}" for n in range(30))},
    ],
    ids=str,
)
def test_whatever_lacks_every_section_is_there(stage: Stage, wanted: dict[str, object]) -> None:
    document = page_of(stage(**wanted))
    assert {id for id, _ in SECTIONS} <= document.ids()
    assert_self_contained(document)
    assert " nan" not in document.words.lower().replace("became nan", "")


def test_sections_that_lack_their_data_say_why(stage: Stage) -> None:
    words = page_of(stage(trials=0, judged=(), epochs=0, check=None, endpoint=None, phases={}, environment={})).words
    for reason in (
        "--trials 8 would look for better ones",
        "neither a test nor a validation split",
        "before its first epoch",
        "were not checked",
        "was not deployed",
        "were not timed",
        "No versions",
    ):
        assert reason in words


def test_a_class_without_images_in_the_split_has_dashes(stage: Stage) -> None:
    evidence = stage(classes=("a", "b", "c"))
    album = evidence.album
    splits = np.where(album.labels == 2, 0, album.splits).astype(np.uint8)
    document = page_of(stage(album=replace(album, splits=splits)))
    assert "1 class has no image in this split" in document.words
    assert_self_contained(document)


def test_a_thousand_classes_stay_small_and_quick(stage: Stage, tmp_path: Path) -> None:
    names = tuple(f'{n:04d} "a" & <b> {"x" * 200}' for n in range(1000))
    evidence = stage(album=many_rows(tmp_path / "many", names), trials=600, epochs=200)
    began = time.process_time()
    content = render(gather(evidence)).encode()
    assert time.process_time() - began < 15
    assert len(content) < LIMIT_BYTES
    document = read(content.decode())
    assert_self_contained(document)
    assert "960 classes between them" in document.words
    assert "100 trials left out" in document.words


def many_rows(root: Path, names: tuple[str, ...]) -> Album:
    """Two files per class, of which none is there."""
    labels = np.repeat(np.arange(len(names), dtype=np.int32), 2)
    splits = np.tile(np.array([0, 2], dtype=np.uint8), len(names))
    return Album(root, [f"{n}.jpg" for n in range(len(labels))], labels, splits, names)


def test_a_page_that_is_too_large_loses_pictures_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    report = gather(stage(accuracy=0.0))
    whole = render(report)
    pictures = whole.count("data:image/jpeg")
    monkeypatch.setattr(page, "LIMIT_BYTES", len(whole.encode()) - 1)
    fewer = render(report)
    assert 0 < fewer.count("data:image/jpeg") < pictures
    monkeypatch.setattr(page, "LIMIT_BYTES", 1)
    none = render(report)
    assert none.count("data:image/jpeg") == 0
    assert "left out to keep this page small" in none
    assert {id for id, _ in SECTIONS} <= read(none).ids()


def test_writing_is_whole_or_not_at_all(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = gather(stage())
    path = write_report(report, tmp_path / "reports" / "demo.html")
    assert path.read_text() == render(report)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageFailed, match="disk is full"):
        write_report(replace(report, name="another"), path)
    assert path.read_text() == render(report)
    assert list(path.parent.iterdir()) == [path]


def test_examples_of_use_can_be_pasted(stage: Stage) -> None:
    evidence = stage(endpoint=Endpoint("it's", "http://127.0.0.1:9/a&b"))
    blocks = [one.text for one in page_of(evidence).all("code")]
    assert any(one.startswith("curl --data-binary @/") and "'Content-Type: image/jpeg'" in one for one in blocks)
    assert any("'http://127.0.0.1:9/a&b/invocations'" in one for one in blocks)
    for block in blocks:
        if block.startswith("import"):
            compile(block, "example", "exec")
    assert """tintype predict 'it'"'"'s'""" in "\n".join(blocks)


def test_the_importance_of_each_hyperparameter_is_a_bar(stage: Stage) -> None:
    evidence = stage()
    tuned = evidence.tuning
    assert tuned is not None
    many = render(gather(replace(evidence, tuning=replace(tuned, importance={"lr": 0.75, "<epochs>": 0.25}))))
    assert '<th scope="row">lr</th><td class="n">75.0%</td><td class="bar-cell"><svg class="bar"' in many
    assert '<th scope="row">&lt;epochs&gt;</th>' in many
    few = render(gather(replace(evidence, tuning=replace(tuned, importance={}, importance_note="3 trials only"))))
    assert "3 trials only." in few
    assert "PED-ANOVA" not in few


def test_what_the_profiler_says_stands_with_the_timing(stage: Stage) -> None:
    said = Profile("The training was limited by decode.", "profiler.html")
    document = page_of(replace(stage(), profile=said))
    assert "limited by decode" in document.words
    assert "profiler.html" in [element.attributes.get("href") for element in document.elements]
    assert "What limited the training" not in page_of(stage()).words
