"""The import names of smdebug 1.0.34 that scripts and notebooks use, over Tintype's debugger.

Every name here has smdebug's spelling, arguments and errors; what happens underneath is Tintype's, and so are the
files, which real smdebug reads. Where smdebug is known to be wrong, this is not: see docs/debugger.md.
"""

from smdebug.finding_tintype import find_tintype

find_tintype()

from smdebug.core.collection import CollectionKeys  # noqa: E402  (they import Tintype)
from smdebug.core.modes import ModeKeys as modes  # noqa: E402
from smdebug.core.reduction_config import ReductionConfig  # noqa: E402
from smdebug.core.save_config import SaveConfig, SaveConfigMode  # noqa: E402

__version__ = "1.0.34"
__all__ = ["CollectionKeys", "ReductionConfig", "SaveConfig", "SaveConfigMode", "__version__", "modes"]
