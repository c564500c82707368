"""Which address shows what. Every page but the style asks for the session; every change for an origin of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tintype.errors import TintypeError, Unauthorised
from tintype.web.pages import endpoints, jobs, overview, rendering, runs, tuning
from tintype.web.pages.session import COOKIE, Session
from tintype.web.pages.tuning_rows import TuningRows
from tintype.workspace import Workspace

ShowList: TypeAlias = Callable[[Workspace, Mapping[str, str]], Response]
ShowOne: TypeAlias = Callable[[Workspace, str], Response]

LISTS: Mapping[str, ShowList] = {
    "/ui/jobs": jobs.job_list,
    "/ui/runs": runs.run_list,
    "/ui/endpoints": endpoints.endpoint_list,
}
SINGLE: Mapping[str, ShowOne] = {
    "/ui/jobs/{name}": jobs.job_page,
    "/ui/jobs/{name}/log.txt": jobs.whole_log,
    "/ui/jobs/{name}/model.tar.gz": jobs.archive,
    "/ui/jobs/{name}/report": jobs.job_report,
    "/ui/jobs/{name}/debugger": jobs.debugger_report,
    "/ui/jobs/{name}/profiler": jobs.profiler_report,
    "/ui/tuning/{name}": tuning.tuning_page,
    "/ui/tuning/{name}/trials.csv": tuning.trials_csv,
    "/ui/runs/{name}/report": runs.run_report,
    "/ui/endpoints/{name}": endpoints.endpoint_page,
}
CHANGES: Mapping[str, ShowOne] = {
    "/ui/jobs/{name}/stop": jobs.stop_job,
    "/ui/tuning/{name}/stop": tuning.stop_tuning,
    "/ui/endpoints/{name}/delete": endpoints.delete_endpoint,
}
TITLES: Mapping[int, str] = {401: "Who are you?", 404: "There is no such thing", 409: "Not now"}
COOKIE_SECONDS = 30 * 86_400


def page_routes(workspace: Workspace, session: Session) -> list[BaseRoute]:
    """The routes below /ui. The handlers block, so they run in threads."""
    rows = TuningRows(workspace.records)

    def seen(path: str, show: Callable[[Request], Response], *, changes: bool = False) -> Route:
        def handle(request: Request) -> Response:
            try:
                session.check(request.headers, request.cookies)
                if changes:
                    session.check_origin(request.headers)
                return show(request)
            except TintypeError as error:
                return problem(error)

        return Route(path, handle, methods=["POST"] if changes else ["GET"])

    def sign_in(request: Request) -> Response:
        try:
            session.check_host(request.headers)
            if not session.matches(request.query_params.get("token", "")):
                raise Unauthorised("this is not the link that the server printed; it may be of an older home")
        except TintypeError as error:
            return problem(error)
        answer = RedirectResponse("/ui/", status_code=303, headers=dict(rendering.HEADERS))
        answer.set_cookie(COOKIE, session.token, COOKIE_SECONDS, path="/ui", httponly=True, samesite="strict")
        return answer

    return [
        Route("/ui", lambda request: RedirectResponse("/ui/"), methods=["GET"]),
        Route("/ui/sign-in", sign_in, methods=["GET"]),
        Route("/ui/pages.css", lambda request: rendering.style(), methods=["GET"]),
        Route("/ui/pages.js", lambda request: rendering.script(), methods=["GET"]),
        seen("/ui/", lambda request: overview.overview(workspace, rows)),
        seen("/ui/tuning", lambda request: tuning.tuning_list(rows, request.query_params)),
        seen(
            "/ui/jobs/{name}/log",
            lambda request: jobs.job_log(workspace, request.path_params["name"], request.query_params),
        ),
        *(seen(path, _list(workspace, show)) for path, show in LISTS.items()),
        *(seen(path, _one(workspace, show)) for path, show in SINGLE.items()),
        *(seen(path, _one(workspace, show), changes=True) for path, show in CHANGES.items()),
    ]


def problem(error: TintypeError) -> Response:
    """The page of an error."""
    title = TITLES.get(error.http_status, "That did not work")
    return rendering.render("problem.html", at="", code=error.http_status, title=title, message=str(error))


def _list(workspace: Workspace, show: ShowList) -> Callable[[Request], Response]:
    return lambda request: show(workspace, request.query_params)


def _one(workspace: Workspace, show: ShowOne) -> Callable[[Request], Response]:
    return lambda request: show(workspace, request.path_params["name"])
