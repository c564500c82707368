"""`python -m tintype.serving.scripts.script_process MODEL_DIR`: one process of a user's inference script.

    first                                                   ->  {"ready": {}} or {"error", "message", "log"}
    {"type", "accept", "request_id", "attributes"} + body   ->  {"status", "type", "attributes", "seconds"} + content

Started by the nursery with the script's environment. What the script prints goes to the endpoint's log.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import NoReturn, cast

from tintype import old_names
from tintype.errors import JobFailed
from tintype.jobs.failure import network_advice
from tintype.jobs.opt_ml import OPT_ML
from tintype.serving.model_definition import (
    ACCEPT_VARIABLE,
    DEFAULT_PROGRAM,
    MAY_LACK_MODEL_VARIABLE,
    MODEL,
    PROGRAM_VARIABLE,
)
from tintype.serving.scripts import toolkit
from tintype.serving.scripts.contract import Context, Defaults, Handler
from tintype.serving.workers.frames import Json, Link
from tintype.serving.workers.nursery_process import LINK_VARIABLE

DEFAULTS = "tintype.serving.scripts.defaults"
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
TAIL_LINES = 20
MESSAGE_LENGTH = 500


def serve(link: Link, model_dir: str) -> None:
    """Load the script and its model, say so, and answer until the front hangs up."""
    try:
        old_names.lend_all()
        toolkit.lend()
        program = os.environ.get(PROGRAM_VARIABLE) or DEFAULT_PROGRAM
        script = load_script(program)
        lend_classes(script)
        accept = os.environ.get(ACCEPT_VARIABLE, "application/json")
        handler = Handler(script, load_defaults, accept, may_lack_model=bool(os.environ.get(MAY_LACK_MODEL_VARIABLE)))
        handler.load(_context(model_dir, {}))
    except BaseException as error:          # SystemExit too: a script that ends while it is loaded has failed
        traceback.print_exc()
        link.send({"error": JobFailed.__name__, **_told(error)})
        return
    link.send({"ready": {}})
    while (request := link.receive()) is not None:
        header, body = request
        started = time.perf_counter()
        context = _context(model_dir, header)
        answer = handler.answer(body, header["type"], header["accept"], context)
        told = {
            "status": answer.status,
            "type": answer.content_type,
            "attributes": context.headers.get(CUSTOM_ATTRIBUTES, ""),
            "seconds": time.perf_counter() - started,
        }
        link.send(told, answer.content)


def load_script(program: str) -> ModuleType | None:
    """The user's module, by the name of its file; None when there is none."""
    name = program.removesuffix(".py").replace("/", ".")
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:             # of a folder that it should be in
        found = None
    return importlib.import_module(name) if found is not None else None


def lend_classes(script: ModuleType | None) -> None:
    """Let the script's classes be found in `__main__`, where a network that a training pickled whole names them."""
    main = sys.modules["__main__"]
    for name, value in vars(script).items() if script else ():
        if isinstance(value, type) and not hasattr(main, name):
            setattr(main, name, value)


def load_defaults() -> Defaults:
    """The toolkit's functions. They need torch, which a script may do without."""
    return cast(Defaults, importlib.import_module(DEFAULTS))


def _context(model_dir: str, header: Json) -> Context:
    headers = {
        "Content-Type": header.get("type") or "",
        "Accept": header.get("accept") or "",
        "X-Amzn-RequestId": header.get("request_id") or "",
        "X-Amzn-SageMaker-Custom-Attributes": header.get("attributes") or "",
    }
    gpu = 0 if os.environ.get("CUDA_VISIBLE_DEVICES") != "" and Path("/dev/nvidia0").exists() else None
    return Context(model_dir, gpu, {name: value for name, value in headers.items() if value})


def _told(error: BaseException) -> Json:
    lines = _printable("".join(traceback.format_exception(error))).splitlines()
    message = _printable(f"the script failed to load its model: {type(error).__name__}: {error}")
    if advice := network_advice(message):
        message = f"{message}; {advice}"
    return {"message": message[:MESSAGE_LENGTH], "log": lines[-TAIL_LINES:]}


def _printable(text: str) -> str:
    """Half characters, as names of files bring them, written out: no file and no terminal takes them."""
    return text.encode(errors="backslashreplace").decode()


def _seen(model_dir: str) -> str:
    """/opt/ml/model when that is what this process sees there, else where the model really is."""
    place = Path(OPT_ML, MODEL)
    return str(place) if place.exists() and place.samefile(model_dir) else model_dir


def _pass_over_termination() -> None:
    """The front says when to end. What the script starts, such as a pool's workers, can be terminated as ever: a
    handler does not outlive `exec`, as an ignored signal would, and `fork` is told."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def main() -> NoReturn:
    """Be the script's process until the front ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _pass_over_termination()
    link = socket.socket(fileno=int(os.environ.pop(LINK_VARIABLE)))
    link.set_inheritable(False)
    serve(Link(link), _seen(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
