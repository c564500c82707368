"""Tintype: a folder of images in; a tuned, judged and served image classifier out.

    import tintype
    result = tintype.run("photos/")
    print(result.best_hyperparameters, result.metrics["valid"]["accuracy"], result.report)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tintype.pipeline.run import RunResult, run

__version__ = "0.1.0"
__all__ = ["RunResult", "__version__", "run"]


def __getattr__(name: str) -> object:
    # `python -m tintype.training` imports this file first, and has no use for the pipeline.
    if name in {"RunResult", "run"}:
        from tintype.pipeline import run as module

        return getattr(module, name)
    raise AttributeError(f"module 'tintype' has no attribute {name!r}")
