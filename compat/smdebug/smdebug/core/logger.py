"""smdebug's logger, by name; nobody is given handlers."""

import logging


def get_logger(name: str = "smdebug") -> logging.Logger:
    """The logger that smdebug's own messages go to."""
    return logging.getLogger(name)
