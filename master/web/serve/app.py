"""The application: the API, the page's files, and the guard around both."""

from __future__ import annotations

import secrets
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from master.web.safety.sessions import Sessions
from master.web.serve.api.access import AccessApi
from master.web.serve.api.answers import answer, refusal
from master.web.serve.api.control import ControlApi
from master.web.serve.api.metrics import MetricsPage
from master.web.serve.api.runs import RunsApi
from master.web.serve.commands import Answers
from master.web.serve.guard import Guard
from master.web.serve.run_list import RunList
from master.web.serve.settings import ServeSettings
from master.web.serve.watchers import Watchers

STATIC = Path(__file__).parent / "static"


def create_app(settings: ServeSettings) -> Starlette:
    """The application for `settings`."""
    sessions, runs, watchers = Sessions(lambda: secrets.token_urlsafe(32)), RunList(settings.runs), Watchers()
    answers = Answers()
    access = AccessApi(settings, sessions)
    return Starlette(
        routes=[
            *access.routes(),
            *RunsApi(runs, watchers, answers).routes(),
            MetricsPage(settings, runs, watchers, access).route(),
            *ControlApi(settings, runs, answers).routes(),
            Route("/health", _health),
            Route("/login", _login),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/", _page),
            Route("/{rest:path}", _page),
        ],
        middleware=[Middleware(Guard, settings=settings, sessions=sessions)],
        exception_handlers={Exception: _fault},
    )


async def _health(_: Request) -> Response:
    return answer({"status": "ok"})


async def _page(request: Request) -> Response:
    """The page itself, whatever of it is shown: its script reads the path."""
    if request.url.path.startswith("/api/"):
        return refusal(404, "there is no such thing")
    return FileResponse(STATIC / "index.html", media_type="text/html")


async def _login(_: Request) -> Response:
    return FileResponse(STATIC / "login.html", media_type="text/html")


async def _fault(_: Request, error: Exception) -> Response:
    """Nothing of the fault itself: what a request has caused is no reader's business."""
    return refusal(500, "a fault of piswarm's own", f"Please report it: {type(error).__name__}, see the terminal.")
