"""The whole workflow: a folder of images in; a tuned, judged, reported and served classifier out."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from pydantic import ValidationError
from pydantic.dataclasses import dataclass as validated

from tintype.datasets.checks import CheckReport, check
from tintype.datasets.dataset import Dataset
from tintype.datasets.folder import open_dataset, refuse_one_class
from tintype.datasets.usable import refuse_too_little
from tintype.errors import InvalidRequest, TintypeError
from tintype.jobs.client import Engine
from tintype.jobs.job import Job
from tintype.jobs.names import TUNING_LENGTH, checked, stamped
from tintype.pipeline import deployment, reporting, run_record, training_jobs, tuning_jobs
from tintype.pipeline.following import run_job
from tintype.pipeline.foresight import foresee
from tintype.pipeline.job_summary import judged
from tintype.pipeline.profiling import ProfilingRequest, profiled
from tintype.pipeline.recipe import AUTO, Recipe, choose_recipe
from tintype.pipeline.run_record import RunStatus, training_of
from tintype.pipeline.stopwatch import Stopwatch
from tintype.pipeline.training_jobs import TrainingRequest, absolute, settled, spec_of, weights_finder
from tintype.pipeline.tuning_jobs import TuningRequest
from tintype.pipeline.watching import Silent, Watcher
from tintype.reports.wording import counted
from tintype.settings import Settings
from tintype.storage import write_json
from tintype.tuning.state import TuningState
from tintype.workspace import RUN_KIND, Workspace, open_workspace

WORST = ("error", "warning")                # severities of problems that are said aloud


@final
@validated(frozen=True)
class RunRequest:
    """What `tintype run` is asked for. None means: decided from the images and from what is at hand."""

    data: str
    name: str | None = None
    model: str = "auto"
    weights: str | None = None              # a file, a tag, or "none" for random ones
    freeze: bool | None = None
    trials: int | None = None               # 0: no search, one training with the recipe's middle values
    epochs: int | None = None               # of every trial and of the final training
    image_size: int | None = None           # pixels per side
    deploy: bool = True
    predict: tuple[str, ...] = ()           # images or folders to ask about at the end
    seed: int = 0
    strict: bool = False                    # one bad file fails the run

    def __post_init__(self) -> None:
        if self.trials is not None and self.trials < 0:
            raise InvalidRequest(f"trials must be 0 (no search) or more, got {self.trials}")

    @property
    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["tintype", "run", self.data]
        for option in ("model", "weights", "trials", "epochs", "image_size", "seed"):
            value = getattr(self, option)
            if value is not None and value != getattr(RunRequest("x"), option):
                words += [f"--{option.replace('_', '-')}", str(value)]
        if self.freeze is not None:
            words.append("--freeze" if self.freeze else "--no-freeze")
        words += ["--strict"] * self.strict + ["--no-deploy"] * (not self.deploy)
        return shlex.join(words)


@final
@dataclass(frozen=True)
class RunResult:
    """What came out. `metrics` is split -> {"loss", "accuracy", ...}, None for a split that the data do not have."""

    name: str
    tuning_job: str | None
    training_job: str
    best_hyperparameters: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float] | None]
    archive: Path
    report: Path
    endpoint: str | None                    # URL
    predictions: Sequence[Mapping[str, Any]]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The JSON of `tintype run --json`."""
        return {**asdict(self), "archive": str(self.archive), "report": str(self.report)}


def run(
    data: str | os.PathLike[str],
    *,
    name: str | None = None,
    model: str = "auto",
    weights: str | os.PathLike[str] | None = None,
    freeze: bool | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    image_size: int | None = None,
    deploy: bool = False,
    predict: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    seed: int = 0,
    strict: bool = False,
    home: str | os.PathLike[str] | None = None,
    watcher: Watcher | None = None,
) -> RunResult:
    """Tune, train, judge and report a classifier for a folder of images; with `deploy`, serve it as well.

    Args:
        data: a folder with one sub-folder per class, or with train/, valid/ and test/ of such; a zip or tar of that; a
            CSV or JSONL manifest; or the fsspec URL of any of them.
        name: of the run, and of its jobs and endpoint; made from the folder's name and the time when None.
        model: a timm network, "small_cnn", or "auto": resnet18 when its weights are at hand, else small_cnn.
        weights: a file of weights, or "none" for random ones; None looks in the usual places.
        freeze: train only the head; None freezes when the weights are pretrained.
        trials: how many settings to try; None takes the recipe's number, 0 searches nothing.
        epochs: of every trial and of the final training; None lets the search choose, or the recipe.
        image_size: pixels per side that the network sees; None takes it from the images.
        deploy: leave an endpoint process running; `tintype endpoints delete NAME` ends it.
        predict: images or folders to classify at the end.
        seed: of everything random.
        strict: fail on the first file that cannot be used, instead of setting it aside.
        home: where everything is kept; None is $TINTYPE_HOME or ~/.tintype.
        watcher: told what happens; None for silence.

    Raises:
        InvalidRequest, BadData, NotFound, Conflict: something that was asked for cannot be; the message says why.
        JobFailed: training went wrong; its `log_tail` holds the last lines.
    """
    asked: Iterable[object] = (predict,)
    if isinstance(predict, Iterable) and not isinstance(predict, str | bytes | os.PathLike):
        asked = predict
    if watcher is not None and not isinstance(watcher, Watcher):
        raise InvalidRequest(f"watcher: give a tintype.pipeline.watching.Watcher, or its methods, not {watcher!r}")
    try:
        request = RunRequest(
            data=_path("data", data),
            name=name,
            model=model,
            weights=None if weights is None else _path("weights", weights),
            freeze=freeze,
            trials=trials,
            epochs=epochs,
            image_size=image_size,
            deploy=deploy,
            predict=tuple(_path("predict", image) for image in asked),
            seed=seed,
            strict=strict,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidRequest(f"{first['loc'][0]}: {first['msg'].lower()}, got {first['input']!r}") from error
    settings = Settings.from_environment(os.environ, None if home is None else Path(_path("home", home)))
    with open_workspace(settings) as workspace:
        return execute(workspace, request, watcher or Silent())


def _path(field: str, given: object) -> str:
    if isinstance(given, str | os.PathLike) and isinstance(path := os.fspath(given), str):
        return path
    raise InvalidRequest(f"{field}: give a path or a URL, as text or as a Path, not {given!r}")


def execute(workspace: Workspace, request: RunRequest, watcher: Watcher) -> RunResult:
    """Carry out a request in an open workspace; see `run`. One that ends before anything of it was begun leaves its
    name free.
    """
    name = _name(request)
    foresee(workspace, name, predict=request.predict, deploy=request.deploy)
    record = run_record.begin(workspace, name, asdict(request))
    try:
        result = _execute(workspace, request, name, watcher)
    except BaseException as error:
        if not run_record.has_begun(workspace, name):
            workspace.records.delete(RUN_KIND, name)
            raise
        reason = str(error) or type(error).__name__
        workspace.records.replace(record, {**record.document, "failure_reason": reason}, status=RunStatus.FAILED)
        raise
    done = {**record.document, "result": result.to_json()}
    workspace.records.replace(record, done, status=RunStatus.COMPLETED)
    return result


def _execute(workspace: Workspace, request: RunRequest, name: str, watcher: Watcher) -> RunResult:
    stopwatch = Stopwatch()
    with workspace.engine() as engine:
        engine.warm_up()                    # torch loads while we look at the images
        training_jobs.base_plan(workspace, _training(request, name, _given(request)))       # refuses what cannot be
        with stopwatch("check the images"):
            watcher.stage("Looking at the images")
            dataset, checked_data = _look(workspace, request, watcher)
        finder = weights_finder(workspace.settings, os.environ)
        recipe = choose_recipe(request.model, request.weights, request.freeze, finder)
        recipe.tell(watcher)
        tuning = None
        if request.trials != 0:
            with stopwatch("tune"):
                tuning = _tune(workspace, engine, request, recipe, name, watcher)
        with stopwatch("train"):
            job = _train(workspace, engine, request, recipe, name, tuning, watcher)
    endpoint, predictions, refusal = None, [], None
    try:
        with stopwatch("deploy"):
            endpoint = _deploy(workspace, request, name, job, watcher)
        with stopwatch("predict"):
            predictions = _predict(request, job, endpoint, watcher)
    except TintypeError as error:
        refusal = error                     # told when the report of what was trained is written
    watcher.stage("Writing the report")
    report = reporting.write(
        reporting.Story(
            name=name,
            made_at=time.time(),
            seconds=stopwatch.seconds,
            location=request.data,
            command=request.command,
            dataset=dataset,
            job=job,
            check=checked_data.to_json(),
            tuning=tuning,
            phases=stopwatch.stages,
            endpoint=None if endpoint is None else (name, endpoint),
        ),
        workspace.run_directory(name) / "report.html",
        max_pixels=workspace.settings.max_image_pixels,
    )
    if refusal is not None:
        watcher.note(f"what was trained is in {job.result['archive']}, and its report in {report}")
        raise refusal
    result = RunResult(
        name=name,
        tuning_job=tuning.name if tuning else None,
        training_job=job.name,
        best_hyperparameters=tuning.best_hyperparameters if tuning else dict(job.hyperparameters),
        metrics=job.result["metrics"],
        archive=Path(job.result["archive"]),
        report=report,
        endpoint=endpoint,
        predictions=predictions,
        seconds=stopwatch.seconds,
    )
    write_json(workspace.run_directory(name) / "result.json", result.to_json())
    return result


def _name(request: RunRequest) -> str:
    # A run's name is its tuning job's too, hence the length; the final training and the endpoint bear it as well.
    if request.name is not None:
        return checked("run", request.name, TUNING_LENGTH)
    folder = absolute(request.data).rstrip("/").rsplit("/", 1)[-1].split(".")[0]
    return stamped(folder, time.time(), TUNING_LENGTH)


def _look(workspace: Workspace, request: RunRequest, watcher: Watcher) -> tuple[Dataset, CheckReport]:
    dataset = open_dataset(absolute(request.data), workdir=workspace.data)
    report = check(
        dataset,
        max_pixels=workspace.settings.max_image_pixels,
        progress=lambda done, total: watcher.progress("look at images", done, total),
    )
    document = report.to_json()
    counts = ", ".join(f"{split} {sum(classes.values()):,}" for split, classes in document["splits"].items())
    images, classes = counted(len(dataset), "image"), counted(len(dataset.classes), "class")
    watcher.note(f"{images} of {classes} ({counts}); {dataset.layout}")
    for problem in document["problems"]:
        if problem["severity"] in WORST:
            watcher.warning(f"{problem['kind']}: {problem['count']} ({_first(problem)}). {problem['advice']}")
    refuse_one_class(dataset, request.data)
    refuse_too_little(report.usable_splits, request.data)
    return dataset, report


def _first(problem: Mapping[str, Any]) -> str:
    """The first file, or what is said of a class where there is none."""
    found = problem["files"] or problem["details"]
    if not found:
        return "the whole set"
    first = found[0] if isinstance(found[0], str) else " = ".join(found[0])
    return f"{first}, ..." if len(found) > 1 else first


def _tune(
    workspace: Workspace, engine: Engine, request: RunRequest, recipe: Recipe, name: str, watcher: Watcher
) -> TuningState:
    ranges = [text for text in recipe.ranges if request.epochs is None or not text.startswith("epochs=")]
    trials = recipe.trials if request.trials is None else request.trials
    watcher.stage(f"Tuning: {counted(trials, 'trial')} over {', '.join(ranges)}")
    return tuning_jobs.begin(
        workspace,
        engine,
        TuningRequest(
            name=name,
            data=request.data,
            ranges=ranges,
            fixed=_fixed(request, recipe),
            max_jobs=trials,
            seed=request.seed,
            strict=request.strict,
        ),
        watcher,
    )


def _train(
    workspace: Workspace,
    engine: Engine,
    request: RunRequest,
    recipe: Recipe,
    name: str,
    tuning: TuningState | None,
    watcher: Watcher,
) -> Job:
    watcher.stage("Training with the best hyperparameters" if tuning else "Training")
    hyperparameters = tuning.best_hyperparameters if tuning else _fixed(request, recipe)
    plan = training_jobs.base_plan(workspace, _training(request, name, hyperparameters))
    if tuning and tuning.best and training_jobs.take_over(plan, workspace.jobs.get(tuning.best.name)):
        watcher.note(f"{tuning.best.name} was trained with these settings and this seed; its weights are taken over")
    spec = profiled(spec_of(plan, hyperparameters), ProfilingRequest(), plan.name, workspace.job_directory(plan.name))
    job = run_job(workspace, engine, spec, plan.name, watcher)
    for split, metrics in job.result["metrics"].items():
        if metrics is not None:
            watcher.note(f"{split}: {judged(metrics)}")
    return job


def _training(request: RunRequest, name: str, hyperparameters: Mapping[str, Any]) -> TrainingRequest:
    return TrainingRequest(
        name=training_of(name),
        data=request.data,
        hyperparameters=hyperparameters,
        strict=request.strict,
        seed=request.seed,
    )


def _given(request: RunRequest) -> dict[str, Any]:
    given = {"weights": request.weights, "epochs": request.epochs, "image-size": request.image_size}
    named = {} if request.model == AUTO else {"model": request.model}
    return settled({**named, **{name: one for name, one in given.items() if one is not None}})


def _fixed(request: RunRequest, recipe: Recipe) -> dict[str, Any]:
    return {**recipe.fixed, **_given(request)}


def _deploy(workspace: Workspace, request: RunRequest, name: str, job: Job, watcher: Watcher) -> str | None:
    """The endpoint's URL."""
    if not request.deploy:
        return None
    watcher.stage("Deploying")
    url = deployment.deploy(workspace, endpoint=name, archive=Path(job.result["archive"])).url
    watcher.note(f"{url}/invocations answers POSTed images")
    return url


def _predict(request: RunRequest, job: Job, endpoint: str | None, watcher: Watcher) -> list[dict[str, Any]]:
    if not request.predict:
        return []
    watcher.stage("Predicting")
    if endpoint is not None:
        return deployment.ask(endpoint, request.predict, watcher)
    return deployment.classify(Path(job.result["archive"]), request.predict, watcher)
