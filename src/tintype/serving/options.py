"""The command line of `python -m tintype.serving`, and what its front makes of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from tintype.errors import InvalidRequest
from tintype.serving.model_definition import ModelDefinition
from tintype.serving.settings import ServerSettings
from tintype.serving.token import TOKEN_VARIABLE


def parser() -> argparse.ArgumentParser:
    """The options: where and what, and every field of `ServerSettings`."""
    made = argparse.ArgumentParser(prog="python -m tintype.serving", description="Serve one model over HTTP.")
    made.add_argument("--archive", default="", help="a model.tar.gz, or the folder it was unpacked to")
    made.add_argument("--endpoint", type=Path, help="instead: the folder of an endpoint, with what is wanted of it")
    made.add_argument("--entry-point", default="", help="a SageMaker inference script that goes with the archive")
    made.add_argument("--source-dir", default="", help="the folder or the archive that the script is in")
    made.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable for the script")
    made.add_argument("--instance-type", default="", help="as SageMaker names it; a CPU type hides the GPUs")
    made.add_argument("--environments", type=Path, help="where what scripts require is kept between starts")
    made.add_argument("--host", default="127.0.0.1", help="the address to listen on; others than loopback need a token")
    made.add_argument("--port", type=int, default=0, help="0 takes a free one")
    made.add_argument("--name", default="model", help="for the log and the metrics")
    made.add_argument("--state", type=Path, help="a JSON file that tells the pid, the address and a failure")
    made.add_argument("--log", type=Path, help="a file of bounded size for what is printed; else standard error")
    made.add_argument("--token-file", type=Path, help=f"holds the token callers must send; or set {TOKEN_VARIABLE}")
    for name, field in ServerSettings.model_fields.items():
        made.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=field.description)
    return made


def settings_of(options: argparse.Namespace) -> ServerSettings:
    """The settings among the options. `InvalidRequest` names the one that is wrong."""
    given = {name: value for name, value in vars(options).items() if name in ServerSettings.model_fields}
    try:
        return ServerSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidRequest(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from error


def definition_of(options: argparse.Namespace) -> ModelDefinition:
    """The model among the options. `InvalidRequest` when there is none."""
    if not options.archive:
        raise InvalidRequest("--archive is missing; give a model.tar.gz, or the folder it was unpacked to")
    return ModelDefinition(
        archive=options.archive,
        name=options.name,
        entry_point=options.entry_point,
        source=options.source_dir,
        environment=_variables(options.env),
        instance_type=options.instance_type,
    )


def _variables(pairs: list[str]) -> Mapping[str, str]:
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise InvalidRequest(f"--env takes NAME=VALUE, got {pair!r}")
    return dict(pair.split("=", 1) for pair in pairs)
