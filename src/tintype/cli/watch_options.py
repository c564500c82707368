"""The options by which a training is watched: rules, and what the hook saves for them."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Watched by"

RuleOption = Annotated[
    list[str] | None,
    typer.Option("--rule", metavar="NAME[:PARAMETER=VALUE,...]", help="A rule; repeatable.", rich_help_panel=PANEL),
]
HookOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hook", metavar="KEY=VALUE", help="A hook parameter as SageMaker names it.", rich_help_panel=PANEL
    ),
]
