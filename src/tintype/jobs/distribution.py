"""How a script is started that is to be distributed: what `distribution=` of the SDK's estimators asks for.

The SDK says it in hyperparameters. Those that on AWS start a process for each GPU of a host start them here too, by
torchrun, which gives each its RANK: also on the only host of a job, and one process where there is no GPU. Source:
sagemaker-training 5.1 (`torch_distributed.py`, `smdataparallel.py`, `params.py`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from tintype.jobs import hyperparameters

# Hyperparameters that are true when processes for each GPU are wanted: torch_distributed, pytorchddp, smdistributed.
BY_TORCHRUN = (
    "sagemaker_torch_distributed_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_distributed_dataparallel_enabled",
)
# ... and those of ways to start a script that are not there.
NOT_THERE = {"sagemaker_mpi_enabled": "mpi", "sagemaker_pytorch_xla_multi_worker_enabled": "pytorchxla"}

TORCHRUN = ("-m", "torch.distributed.run")


def is_by_torchrun(wire: Mapping[str, str]) -> bool:
    """torchrun starts the script."""
    return any(_is_on(wire, name) for name in BY_TORCHRUN)


def torchrun(hosts: int, host: int, processes: int, variables: Mapping[str, str]) -> tuple[str, ...]:
    """What stands between the interpreter and the script: torchrun, told of the hosts and of their first one."""
    return (
        *TORCHRUN,
        f"--nnodes={hosts}",
        f"--node-rank={host}",
        f"--nproc-per-node={processes}",
        f"--master-addr={variables['MASTER_ADDR']}",
        f"--master-port={variables['MASTER_PORT']}",
    )


def notes(wire: Mapping[str, str]) -> list[str]:
    """What of it is done otherwise than on AWS."""
    return [
        f"distribution {name!r} is not there: the script is started once on each host"
        for flag, name in NOT_THERE.items()
        if _is_on(wire, flag)
    ]


def _is_on(wire: Mapping[str, str], name: str) -> bool:
    return hyperparameters.decode(wire.get(name, "false")) is True
