"""How a machine is shared by the trials of one tuning job that are to run at once. Pure.

On SageMaker each trial has an instance of its own. Here all of them have this machine: of its cores and GPUs each gets
at most its part, so that as many run at once as were asked for. A core or a GPU is never divided: with more trials than
that, the rest wait. Memory that was claimed is never made less.
"""

from __future__ import annotations

from dataclasses import replace

from tintype.jobs.instances import Machine, share
from tintype.jobs.specification import JobSpec, Resources


def shared(wanted: Resources, parallel: int, machine: Machine) -> Resources:
    """What one of `parallel` trials takes that would each like to have `wanted`. Numbers that were given stay.

    Raises what `share` raises.
    """
    granted = share(wanted, machine)
    if parallel == 1:
        return wanted
    hosts = parallel * wanted.instance_count
    gpus = min(granted.gpus, max(1, machine.gpus // hosts)) if wanted.gpus is None and machine.gpus else wanted.gpus
    # Where GPUs or memory are what there is too little of, fewer run at once, and need not leave cores to the others.
    sparing = replace(wanted, cores=1, gpus=gpus)
    hosts = min(parallel, room(sparing, machine)) * wanted.instance_count
    return replace(sparing, cores=wanted.cores or min(granted.cores, max(1, machine.cores // hosts)))


def room(wanted: Resources, machine: Machine) -> int:
    """How many jobs that want this the machine has room for at once; at least one, whose hosts may share cores."""
    granted, hosts = share(wanted, machine), wanted.instance_count
    parts = (
        (machine.cores, granted.cores * hosts),
        (machine.memory_bytes, granted.memory_bytes * hosts),
        (machine.gpus, granted.gpus * hosts),
    )
    return max(1, min(there // taken for there, taken in parts if taken))


def among(spec: JobSpec, parallel: int, machine: Machine) -> JobSpec:
    """The job that one of `parallel` trials is, each of which would like to be `spec`; its log says what it gets."""
    wanted, taken = spec.resources, shared(spec.resources, parallel, machine)
    alone, now = share(wanted, machine), share(taken, machine)
    less = [
        f"{got} of {there} {what}"
        for what, there, got in (("cores", alone.cores, now.cores), ("GPUs", alone.gpus, now.gpus))
        if got < there
    ]
    note = f"{parallel} trials at a time share this machine: {' and '.join(less)} for each"
    return replace(spec, resources=taken, notes=(*spec.notes, note) if less else spec.notes)
