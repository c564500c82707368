"""How one server behaves: its limits and defaults, as one frozen value that travels on a command line."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tintype.errors import InvalidRequest
from tintype.serving.accept import AnswerFormat

LOOPBACK_NAMES = ("localhost",)


class ServerSettings(BaseModel):
    """The limits of one server. Each field is an option of `python -m tintype.serving`; 6 MiB is SageMaker's limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_limit_bytes: int = Field(default=6 * 1024**2, ge=1, description="largest request body")
    body_seconds: float = Field(default=20.0, gt=0, description="how long a body may take to arrive")
    images_per_request: int = Field(default=64, ge=1, description="most pictures in one request")
    queue_capacity: int = Field(default=64, ge=1, description="most requests at work or waiting; more get 429")
    max_pixels: int = Field(default=50_000_000, ge=1, description="larger pictures are refused before decoding")
    decode_threads: int = Field(default=0, ge=0, description="threads that decode; 0: one per core")
    inference_threads: int = Field(default=0, ge=0, description="threads of the network; 0: one per core")
    drain_seconds: float = Field(default=20.0, ge=0, description="how long requests may take to end after SIGTERM")
    default_accept: str = Field(default="application/json", description="the answer when the caller names none")
    runtime: str | None = Field(default=None, description="onnxruntime or torch; the first that can by default")

    @field_validator("default_accept")
    @classmethod
    def _is_a_format(cls, value: str) -> str:
        AnswerFormat.parse(value)
        return value

    def arguments(self) -> list[str]:
        """The options that make the same settings again, as `python -m tintype.serving` takes them."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in self.model_dump(exclude_defaults=True).items()]


def is_loopback(host: str) -> bool:
    """True when only this machine can reach a server on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def check_exposure(host: str, token: str | None) -> None:
    """`InvalidRequest` when others could reach `host` and no token would stop them."""
    if not token and not is_loopback(host):
        raise InvalidRequest(
            f"{host} can be reached from other machines, so a token is needed; give one, or serve on 127.0.0.1"
        )
