"""Starting, stopping and resuming runs: one at a time, each a child process by the words that the command line has."""

from __future__ import annotations

import asyncio
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from master.errors import ExitCode
from master.web.serve.api.answers import answer, read_body, refusal, told
from master.web.serve.commands import Answers, Job, scenario_names
from master.web.serve.launch import Launch, directory_name, parse_launch
from master.web.serve.run_list import RunList
from master.web.serve.settings import ServeSettings


class ControlApi:
    """The endpoints; without `control` all refuse."""

    def __init__(self, settings: ServeSettings, runs: RunList, answers: Answers) -> None:
        self._settings = settings
        self._runs = runs
        self._answers = answers
        self._job: Job | None = None
        self._starting = asyncio.Lock()

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/scenarios", told(self.scenarios)),
            Route("/api/job", told(self.job)),
            Route("/api/check", told(self.check), methods=["POST"]),
            Route("/api/runs", told(self.start), methods=["POST"]),
            Route("/api/runs/{id}/stop", told(self.stop), methods=["POST"]),
            Route("/api/runs/{id}/resume", told(self.resume), methods=["POST"]),
        ]

    async def scenarios(self, _: Request) -> Response:
        """The scenarios that can be started."""
        return answer({"scenarios": await asyncio.to_thread(scenario_names, self._settings.scenarios)})

    async def job(self, _: Request) -> Response:
        """The run that this page has started last, and what it prints."""
        return answer({"job": None if self._job is None else self._job.state()})

    async def check(self, request: Request) -> Response:
        """Whether a run could be started, with the faults that the command would tell."""
        if (refused := self._refused()) is not None:
            return refused
        status, _, complaint = await self._answers.ask(["run", *await self._words(request), "--check"])
        return answer({"ok": status == ExitCode.PASS, "said": complaint})

    async def start(self, request: Request) -> Response:
        """Start a run; its name."""
        if (refused := self._refused()) is not None:
            return refused
        body = await read_body(request)
        launch = parse_launch(body)
        async with self._starting:
            if (busy := await asyncio.to_thread(self._busy)) is not None:
                return busy
            name = directory_name(launch.scenario, datetime.now().astimezone())
            words = ["run", *await asyncio.to_thread(self._words_of, launch), "--out", str(self._runs.folder / name)]
            self._job = await Job.start(name, words)
        return answer({"run": name}, 202)

    async def stop(self, request: Request) -> Response:
        """Have the run end in order; a second time at once."""
        if (refused := self._refused()) is not None:
            return refused
        name, job = request.path_params["id"], self._job
        if job is None or not job.on or job.run != name:
            return refusal(409, "this page has not started that run", "Press Ctrl-C where it was started.")
        job.stop()
        return answer({"run": name}, 202)

    async def resume(self, request: Request) -> Response:
        """Go on with a run whose controller was killed."""
        if (refused := self._refused()) is not None:
            return refused
        path = self._runs.path(request.path_params["id"])
        async with self._starting:
            if (busy := await asyncio.to_thread(self._busy)) is not None:
                return busy
            self._job = await Job.start(path.name, ["resume", str(path)])
        return answer({"run": path.name}, 202)

    def _refused(self) -> Response | None:
        if self._settings.control:
            return None
        return refusal(403, "this page only shows", "Start it with: piswarm serve --control")

    def _busy(self) -> Response | None:
        """A controller has one run at a time: two would take the machine from each other."""
        running = self._runs.running()
        name = running.id if running is not None else self._job.run if self._job is not None and self._job.on else None
        return (
            None if name is None else refusal(409, f"{name} is on", "One run at a time: wait for its end, or stop it.")
        )

    async def _words(self, request: Request) -> list[str]:
        return await asyncio.to_thread(self._words_of, parse_launch(await read_body(request)))

    def _words_of(self, launch: Launch) -> list[str]:
        known_runs = {row.id for row in self._runs.rows()} if launch.baseline is not None else set[str]()
        scenarios = scenario_names(self._settings.scenarios)
        return launch.words(str(self._settings.scenarios), scenarios, str(self._runs.folder), known_runs)
