"""Python imports this at its start when its folder is on PYTHONPATH: the profiler's way into an unmodified script.

A `sitecustomize` that lies behind it on the path, the debugger's or one of the environment, is run after it.
"""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec


def _start() -> None:
    try:
        from tintype.profiler.startup import start_from_environment
    except ImportError as error:        # another Python's script: it has its own packages, and we are not among them
        sys.stderr.write(f"the profiler is not installed for {sys.executable} ({error}); the script runs without it\n")
        return
    start_from_environment(os.environ)


def _run_the_next() -> None:
    here = os.path.dirname(os.path.realpath(__file__))
    places = [os.path.realpath(one or ".") for one in sys.path]
    last = max((at for at, one in enumerate(places) if one == here), default=-1)       # it may be there twice
    spec = PathFinder.find_spec("sitecustomize", sys.path[last + 1 :])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if os.environ.get("TINTYPE_PROFILER"):
    _start()
_run_the_next()
