"""The HTTP of the views: GET only, JSON only, every refusal a code and a sentence."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson
from aiohttp import web

from streams.errors import SettingsError
from streams.settings import Settings
from streams.views.answers import Problem
from streams.views.errors import BadQuestion, NotFound, NotReady
from streams.views.openapi import MOST_HOURS, MOST_MEMBERS, USUAL_HOURS, USUAL_MEMBERS, document
from streams.views.questions import Questions

_encode = msgspec.json.Encoder().encode
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


class HttpServer:
    """Serves `questions` from the event loop that runs when it is started. `url` is where."""

    def __init__(self, settings: Settings, questions: Questions) -> None:
        self._settings = settings
        app = web.Application(middlewares=[_refusals])
        app.add_routes(_Routes(questions).table())
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        self.url = ""

    async def start(self) -> None:
        """Opens the port, a free one where the settings say 0. Raises SettingsError when it is taken."""
        host, port = self._settings.http_host, self._settings.http_port
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, shutdown_timeout=1.0)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            why = f"{error.strerror or error}: choose another port, or 0 for a free one"
            raise SettingsError(f"http_host {host}, http_port {port}", [why]) from error
        bound = self._runner.addresses[0]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{bound[1]}"

    async def close(self) -> None:
        """Answers what is asked already, then frees the port."""
        await self._runner.cleanup()


class _Routes:
    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._document = orjson.dumps(document())

    def table(self) -> list[web.RouteDef]:
        return [
            web.get(r"/v1/customers/{id:[\s\S]+}", self.customer),
            web.get("/v1/segments", self.segments),
            web.get(r"/v1/segments/{segmentation}/{segment:[\s\S]+}", self.members),
            web.get("/v1/flows", self.flows),
            web.get("/v1/status", self.status),
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/openapi.json", self.openapi),
        ]

    async def customer(self, request: web.Request) -> web.Response:
        _parameters(request)
        return _json(self._questions.customer(request.match_info["id"]))

    async def segments(self, request: web.Request) -> web.Response:
        _parameters(request)
        return _json(_encode(self._questions.segments()))

    async def members(self, request: web.Request) -> web.Response:
        given = _parameters(request, "limit", "after")
        limit = _number(given, "limit", USUAL_MEMBERS, MOST_MEMBERS)
        place = request.match_info
        return _json(_encode(self._questions.members(place["segmentation"], place["segment"], limit, given.get("after"))))

    async def flows(self, request: web.Request) -> web.Response:
        given = _parameters(request, "hours", "segmentation")
        hours = _number(given, "hours", USUAL_HOURS, MOST_HOURS)
        return _json(_encode(self._questions.flows(hours, given.get("segmentation"))))

    async def status(self, request: web.Request) -> web.Response:
        _parameters(request)
        return _json(_encode(self._questions.status()))

    async def healthz(self, _: web.Request) -> web.Response:
        return _json(b'{"status":"ok"}')

    async def readyz(self, _: web.Request) -> web.Response:
        ready, reason = self._questions.readiness()
        if not ready:
            raise NotReady(reason)
        return _json(b'{"status":"ready"}')

    async def openapi(self, _: web.Request) -> web.Response:
        return _json(self._document)


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Everything that is no answer becomes a `Problem`."""
    try:
        return await handler(request)
    except NotFound as error:
        return _problem(404, "not_found", str(error))
    except BadQuestion as error:
        return _problem(400, "bad_request", str(error))
    except NotReady as error:
        return _problem(503, "not_ready", f"{error}; ask again in a second", {"Retry-After": "1"})
    except web.HTTPMethodNotAllowed as error:
        return _problem(405, "method_not_allowed", "the views are read with GET", {"Allow": error.headers["Allow"]})
    except web.HTTPNotFound:
        return _problem(404, "no_such_path", f"there is nothing at {request.path}: /openapi.json lists what there is")
    except web.HTTPException as error:
        return _problem(error.status, "refused", error.reason)
    except Exception:
        log.exception("a request to %s could not be answered", request.match_info.route.resource)
        return _problem(500, "fault", "the views could not answer: their log says why")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _problem(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = _encode(Problem(code, message))
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def _parameters(request: web.Request, *known: str) -> dict[str, Any]:
    given = dict(request.query)
    if strange := sorted(given.keys() - set(known)):
        there = f"there are {', '.join(known)}" if known else "this path takes none"
        raise BadQuestion(f"unknown parameter {', '.join(strange)}: {there}")
    return given


def _number(given: dict[str, Any], name: str, usual: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise BadQuestion(f"{name}={text} is no whole number from 1 to {most}")
    return int(text)
