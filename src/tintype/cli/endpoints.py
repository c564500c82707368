"""`tintype endpoints`: list, show, update, weights, scale, delete."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.invocation import Invocation, command
from tintype.errors import InvalidRequest, StorageFailed, TintypeError, not_found
from tintype.jobs.names import checked
from tintype.pipeline.endpoint_plan import policy_of, updated
from tintype.serving.client import EndpointClient, Patience
from tintype.serving.endpoints.config import ONLY_VARIANT
from tintype.serving.endpoints.deployment import clear_away
from tintype.serving.endpoints.endpoint import Endpoint, Status
from tintype.serving.endpoints.store import Endpoints
from tintype.serving.pages.wording import percent, seconds
from tintype.storage import is_full
from tintype.workspace import ENDPOINTS

app = typer.Typer(help="Endpoints: list, show, update, weights, scale, delete.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is done.")]
LOOK = Patience(attempts=1, timeout_seconds=5)
UPDATE_SECONDS = 24 * 3600.0        # an update with long steps takes its time; Ctrl-C ends the waiting, not the update


@command(app, "list")
def list_endpoints(call: Invocation) -> None:
    """All endpoints. Those that should run and do not, after a crash or a restart of the machine, are started again."""
    with call.workspace() as workspace:
        endpoints = Endpoints(workspace.records).revive_all()
    table = Table(box=None, padding=(0, 2))
    for column in ("name", "status", "url", "reason"):
        table.add_column(column)
    for one in endpoints:
        table.add_row(escape(one.name), one.status, one.url or "", escape(one.failure_reason))
    call.say(table if endpoints else "no endpoints; `tintype deploy NAME` makes one")
    call.answer({"endpoints": [one.describe() for one in endpoints]})


@command(app, "show")
def show(call: Invocation, name: NameArgument) -> None:
    """One endpoint: its variants, how they do, and whether the pictures have changed."""
    with call.workspace() as workspace:
        endpoint = Endpoints(workspace.records).get(name)
    facts = facts_of(endpoint)
    table = Table(box=None, padding=(0, 2), show_header=False)
    described = endpoint.describe()
    for key in ("name", "status", "failure_reason", "url", "log", "pid"):
        if described[key]:
            table.add_row(key.replace("_", " "), escape(str(described[key])))
    if endpoint.update:
        table.add_row("update", f"{endpoint.update.stage}, {percent(endpoint.update.share)} of the traffic")
    call.say(table)
    call.say(_variants(endpoint, facts))
    for line in numbers_of(facts):
        call.say(f"[dim]{escape(line)}[/]")
    for warning in warnings_of(facts):
        call.say(f"[yellow]![/] {escape(warning)}")
    call.answer({**described, "facts": facts, "warnings": warnings_of(facts)})


@command(app, "update")
def update(
    call: Invocation,
    name: NameArgument,
    model: Annotated[str, typer.Argument(metavar="NAME", help="A run, a training job, a trial, or a model.tar.gz.")],
    variant: Annotated[str, typer.Option(help="Whose model is replaced.")] = ONLY_VARIANT,
    canary: Annotated[float | None, typer.Option(metavar="PERCENT", help="First so much traffic, then all.")] = None,
    linear: Annotated[float | None, typer.Option(metavar="PERCENT", help="So much more traffic at a time.")] = None,
    step_seconds: Annotated[float, typer.Option(min=0, help="How long each share is watched.")] = 30.0,
    bake_seconds: Annotated[float, typer.Option(min=0, help="How long the old replicas wait at the end.")] = 10.0,
    wait: WaitOption = True,
) -> None:
    """Put another model into service without losing a request; it goes back by itself when the new one does worse."""
    policy = policy_of(canary, linear, step_seconds, bake_seconds)
    with call.workspace() as workspace:
        endpoints = Endpoints(workspace.records)
        config = updated(endpoints.config(name), workspace, model, variant, policy)
        found = endpoints.update(name, config)
        if wait:
            found = endpoints.wait(name, UPDATE_SECONDS)
    _tell_change(call, found)
    if found.status is Status.IN_SERVICE and found.failure_reason:
        raise InvalidRequest(f"endpoint {name!r} serves what it served: {found.failure_reason}")


@command(app, "weights")
def weights(
    call: Invocation,
    name: NameArgument,
    given: Annotated[list[str], typer.Argument(metavar="VARIANT=WEIGHT", help="Shares of the traffic, on any scale.")],
) -> None:
    """Change the variants' shares of the traffic."""
    pairs = [_pair(text) for text in given]
    wanted = {variant: _weight(variant, text) for variant, text in pairs}
    if len(wanted) < len(pairs):
        raise InvalidRequest(f"a variant is named twice in {' '.join(given)!r}; give each one weight")
    with call.workspace() as workspace:
        endpoints = Endpoints(workspace.records)
        endpoints.set_weights(name, wanted)
        found = endpoints.wait(name)
    _tell_change(call, found)


@command(app, "scale")
def scale(
    call: Invocation,
    name: NameArgument,
    instances: Annotated[int, typer.Argument(min=1, max=256, help="Worker processes.")],
    variant: Annotated[str | None, typer.Option(help="Of which variant; all when left out.")] = None,
) -> None:
    """Change the number of workers."""
    with call.workspace() as workspace:
        endpoints = Endpoints(workspace.records)
        names = [variant] if variant else [one.name for one in endpoints.config(name).variants]
        endpoints.scale(name, dict.fromkeys(names, instances))
        found = endpoints.wait(name)
    _tell_change(call, found)


@command(app, "delete")
def delete(call: Invocation, name: NameArgument) -> None:
    """Stop an endpoint's server and remove it."""
    try:
        _delete(call, name)
    except StorageFailed:
        if not is_full(call.settings.home):
            raise
        clear_away(call.settings.home / ENDPOINTS / checked("endpoint", name))      # and then there is room
        _delete(call, name)
    call.say(f"{name} is deleted")
    call.answer({"name": name, "status": "Deleted"})


def _delete(call: Invocation, name: str) -> None:
    with call.workspace() as workspace:
        endpoints = Endpoints(workspace.records)
        if not endpoints.delete(name):
            raise not_found("endpoint", name, [one.name for one in endpoints.list()])


def facts_of(endpoint: Endpoint) -> dict[str, Any] | None:
    """What the endpoint tells of itself now; None when it does not answer."""
    if endpoint.url is None:
        return None
    try:
        with EndpointClient(endpoint.url, token=endpoint.token, patience=LOOK) as client:
            return client.facts()
    except TintypeError:
        return None


def warnings_of(facts: dict[str, Any] | None) -> list[str]:
    """What somebody should look at, in sentences."""
    drifts = [(one["name"], drift) for one in (facts or {}).get("variants", ()) for drift in one["drift"]]
    return [
        f"{variant}: the {drift['name']} has changed against {drift['reference']} "
        f"(index {drift['index']:.2f}, alarm above {drift['threshold']:.2f}; most: {drift['largest']})"
        for variant, drift in drifts
        if drift["drift"]
    ]


def numbers_of(facts: dict[str, Any] | None) -> list[str]:
    """In which numbers each variant's network runs, and why, in sentences."""
    told = [one for one in (facts or {}).get("variants", ()) if one["precision"]]
    return [f"{one['name']} runs in {one['precision']} ({one['why']}), {one['runtime']}" for one in told]


def _variants(endpoint: Endpoint, facts: dict[str, Any] | None) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for column, width in (("variant", 10), ("model", 12)):
        table.add_column(column, overflow="fold", min_width=width)
    for column in ("traffic", "workers", "requests", "errors", "p50", "p99"):
        table.add_column(column, no_wrap=True, justify="right")
    known = {one["name"]: one for one in (facts or {}).get("variants", ()) if not one["on_trial"]}
    for one in endpoint.variants:
        live = known.get(one.name)
        model = "/".join(one.archive.split("/")[-2:])
        cells = [escape(one.name), escape(model), "shadow" if one.shadow else f"weight {one.weight:g}"]
        if live is None:
            table.add_row(*cells, str(one.instances), "", "", "", "")
        else:
            recent = live["recent"]
            cells[2] = percent(live["share"])
            numbers = [str(live[key]) for key in ("workers", "requests", "errors")]
            spread = [seconds(recent[key]) if recent["requests"] else "–" for key in ("p50", "p99")]
            table.add_row(*cells, *numbers, *spread)
    return table


def _tell_change(call: Invocation, found: Endpoint) -> None:
    call.say(f"{found.name} is {found.status}{f': {escape(found.failure_reason)}' if found.failure_reason else ''}")
    call.answer(found.describe())


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(f"a weight is VARIANT=WEIGHT, got {text!r}")
    return name, value


def _weight(variant: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise InvalidRequest(f"a weight is a number, 0 or more, got {variant}={text}")
    return weight
