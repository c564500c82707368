"""How one server behaves: its limits and defaults, as one frozen value that travels on a command line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tintype.serving.content.accept import AnswerFormat
from tintype.serving.front.listening import check_exposure, is_loopback

__all__ = ["ServerSettings", "check_exposure", "is_loopback"]


class ServerSettings(BaseModel):
    """The limits of one server. Each field is an option of `python -m tintype.serving`; 6 MiB is SageMaker's limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    body_limit_bytes: int = Field(default=6 * 1024**2, ge=1, description="largest request body, decompressed")
    bodies_limit_bytes: int = Field(default=512 * 1024**2, ge=1, description="of all bodies at once; more get 429")
    body_seconds: float = Field(default=20.0, gt=0, description="how long a body may take to arrive")
    header_seconds: float = Field(default=10.0, gt=0, description="how long a request's head may take to arrive")
    header_limit_bytes: int = Field(default=32 * 1024, ge=1024, description="largest head of a request")
    connections: int = Field(default=1000, ge=1, description="most connections at once; more wait in the backlog")
    request_seconds: float = Field(default=60.0, gt=0, description="until an answer is there, or 504")
    images_per_request: int = Field(default=64, ge=1, description="most pictures in one request")
    queue_capacity: int = Field(default=64, ge=1, description="most requests at work or waiting; more get 429")
    max_pixels: int = Field(default=50_000_000, ge=1, description="larger pictures are refused before decoding")
    decoders: int = Field(default=0, ge=0, description="processes that decode; 0: one per core")
    decode_seconds: float = Field(default=5.0, gt=0, description="of computing that decoding one request may take")
    batch_pictures: int = Field(default=32, ge=1, description="most pictures in one batch")
    batch_wait_seconds: float = Field(default=0.002, ge=0, description="how long a picture may wait for others")
    workers: int = Field(default=1, ge=1, description="processes that run the network or the script")
    inference_threads: int = Field(default=0, ge=0, description="threads of the network; 0: one per core")
    inference_seconds: float = Field(default=30.0, gt=0, description="after which a worker counts as hung")
    worker_memory_bytes: int = Field(default=0, ge=0, description="a worker with more is replaced; 0: any")
    start_seconds: float = Field(default=600.0, gt=0, description="how long a worker may take to start")
    drain_seconds: float = Field(default=20.0, ge=0, description="how long requests may take to end after SIGTERM")
    default_accept: str = Field(default="application/json", description="the answer when the caller names none")
    runtime: str | None = Field(default=None, description="a runtime, a precision or both; by itself the best that can")
    url_hosts: str = Field(default="", description="hosts that pictures may be fetched from, by commas; '*': any")
    url_seconds: float = Field(default=10.0, gt=0, description="how long fetching the pictures of a request may take")
    access_log: str = Field(default="", description="a file for one JSON line per request; none by default")

    @field_validator("default_accept")
    @classmethod
    def _is_a_format(cls, value: str) -> str:
        AnswerFormat.parse(value)
        return value

    def arguments(self) -> list[str]:
        """The options that make the same settings again, as `python -m tintype.serving` takes them."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in self.model_dump(exclude_defaults=True).items()]
