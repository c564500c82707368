"""What the engine is told to run for a trial."""

from __future__ import annotations

from dataclasses import replace

from tintype.jobs import sharing
from tintype.jobs.instances import Machine
from tintype.jobs.job import JobSpec
from tintype.pipeline.engine_trials import SpecOf
from tintype.pipeline.training_jobs import resources_of, spec_of
from tintype.pipeline.tuning_plan import BuiltInTrials, ScriptTrials, TuningPlan
from tintype.pipeline.watched_anew import watched_like
from tintype.training.hyperparameters import plan_from
from tintype.tuning.trial import Trial
from tintype.workspace import Workspace


def spec_builder(workspace: Workspace, plan: TuningPlan) -> SpecOf:
    """From a trial of the tuning job to its job."""

    def spec(trial: Trial) -> JobSpec:
        match plan.trials:
            case ScriptTrials() as script:
                bare = _of_script(plan, script, trial)
            case BuiltInTrials() as built_in:
                bare = _of_trainer(workspace, built_in, trial)
        if plan.watch is None:
            return bare
        return watched_like(bare, plan.watch, trial.name, workspace.job_directory(trial.name))

    return spec


def room(plan: TuningPlan, machine: Machine) -> int:
    """How many of its trials the machine has room for at once."""
    match plan.trials:
        case ScriptTrials(spec):
            return sharing.room(spec.resources, machine)
        case BuiltInTrials(base):
            return sharing.room(resources_of(base), machine)


def _of_script(plan: TuningPlan, script: ScriptTrials, trial: Trial) -> JobSpec:
    return replace(script.spec, hyperparameters=script.hyperparameters(plan.settings, trial.hyperparameters))


def _of_trainer(workspace: Workspace, built_in: BuiltInTrials, trial: Trial) -> JobSpec:
    own = {
        "name": trial.name,
        "directory": workspace.job_directory(trial.name),
        # A trial keeps what its model needs beyond the starting weights; an archive is packed when asked for.
        "save": "best",
    }
    plan = built_in.plan_of(trial.number).model_copy(update=own)
    return spec_of(plan_from(trial.hyperparameters, plan), trial.hyperparameters)
