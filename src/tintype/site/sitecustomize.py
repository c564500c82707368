"""Python imports this at its start when its folder is on PYTHONPATH: the way into a script that knows nothing of us.

What is asked for by its variable is started, each by itself. A `sitecustomize` of the environment, which this one
stands in front of, is run after it.
"""

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

STARTERS = (                            # variable that asks for it, what it is called, what starts it
    ("TINTYPE_OLD_NAMES", "lender of old names", "tintype.old_names"),
    ("TINTYPE_PROFILER", "profiler", "tintype.profiler.startup"),
    ("TINTYPE_DEBUGGER_CONFIG", "debugger", "tintype.debugger.startup"),
)
STARTED = "_tintype_started"            # on `sys`: two profilers in one process are its end


def _start(name: str, module: str) -> None:
    try:
        starter = import_module(module)
    except ImportError as error:        # another Python's script: it has its own packages, and we are not among them
        sys.stderr.write(f"the {name} is not installed for {sys.executable} ({error}); the script runs without it\n")
        return
    starter.start_from_environment(os.environ)


def _run_the_next() -> None:
    here = os.path.dirname(os.path.realpath(__file__))
    places = [os.path.realpath(one or ".") for one in sys.path]
    last = max((at for at, one in enumerate(places) if one == here), default=-1)       # it may be there twice
    spec = PathFinder.find_spec("sitecustomize", sys.path[last + 1 :])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if not hasattr(sys, STARTED):           # the next one may be that of another installation
    setattr(sys, STARTED, True)
    for variable, name, module in STARTERS:
        if os.environ.get(variable):
            _start(name, module)
_run_the_next()
