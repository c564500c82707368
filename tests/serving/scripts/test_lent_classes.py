"""A network that was pickled whole by the script that trained it finds its class in the inference script."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType

import pytest

from tintype.serving.scripts.script_process import lend_classes

NET_OF_MAIN = b"c__main__\nNet\n."       # pickle's opcodes for the class as a training script names it


def test_a_class_of_main_is_the_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    main, script = ModuleType("__main__"), ModuleType("inference")
    monkeypatch.setitem(sys.modules, "__main__", main)
    script.Net = type("Net", (), {})                    # type: ignore[attr-defined]
    lend_classes(script)
    assert pickle.loads(NET_OF_MAIN) is script.Net
    main.Net = kept = type("Net", (), {})               # type: ignore[attr-defined]
    lend_classes(script)
    assert pickle.loads(NET_OF_MAIN) is kept
    lend_classes(None)
