"""Puts our package smdebug where `import smdebug` finds it, before any test here is imported."""

from __future__ import annotations

import sys

from tintype.debugger import compat_path

sys.path.insert(0, str(compat_path()))
