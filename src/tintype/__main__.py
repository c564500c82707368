"""`python -m tintype` is the command line."""

from tintype.cli.main import run

run()
