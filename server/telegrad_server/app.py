"""The application: REST routes by FastAPI, wrapped by the fast routes and by security."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from telegrad_protocol.errors import CODES, Malformed, MethodNotAllowed, NotFound, ServiceError, TelegradError

from .channel.interface import Worker
from .http.fast_routes import FastRoutes
from .http.responses import JSON, MSGPACK, error_body, error_headers, internal, json_line, wants_msgpack
from .http.rest import call_list, index_page, ops, tensors
from .http.rest import sessions as session_routes
from .http.rest.openapi import describe_api, methods_at
from .http.security import Security
from .sessions.registry import Sessions
from .settings import Settings

_ASSETS = "/docs/assets"


def create_app(settings: Settings, sessions: Sessions) -> Any:
    """The ASGI application of a server with these sessions."""
    app = FastAPI(
        title="telegrad",
        version=version("telegrad"),
        summary="Tensors and autograd graphs that live here; use them over HTTP.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=Line,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.sessions = sessions
    for routes in (session_routes, tensors, ops, call_list, index_page):
        app.include_router(routes.router)
    app.openapi = lambda: describe_api(app, settings)  # type: ignore[method-assign]
    _add_docs(app)
    _add_error_handlers(app)
    return Security(FastRoutes(app, sessions), settings)


def sessions_for(settings: Settings, workers: Mapping[str, Worker]) -> Sessions:
    """The sessions of a server, none yet, within the bounds of its settings."""
    return Sessions(
        workers["cpu"],
        lease=settings.lease,
        limit=settings.sessions,
        per_token=settings.sessions_per_token,
        per_address=settings.sessions_per_address,
        others=workers,
    )


class Line(JSONResponse):
    """JSON as every answer has it."""

    def render(self, content: Any) -> bytes:
        return json_line(content)


def _add_docs(app: FastAPI) -> None:
    """The OpenAPI document, and Swagger UI with assets of an installed package: the page loads from this server alone."""
    assets = Path(fastapi_offline.__file__).parent / "static"
    app.mount(_ASSETS, StaticFiles(directory=assets), name="docs-assets")

    @cache
    def written() -> bytes:
        return json_line(app.openapi())

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return Response(written(), media_type=JSON.decode())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="telegrad",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
        )


def _add_error_handlers(app: FastAPI) -> None:
    """Every error has the same body: the record of a `TelegradError`."""

    @app.exception_handler(TelegradError)
    async def ours(request: Request, error: TelegradError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, _validation_error(error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return answer(request, _http_error(request, error))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # the client is gone

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return answer(request, internal(request.scope, error))


def answer(request: Request, error: TelegradError) -> Response:
    """The response for an error."""
    msgpack = wants_msgpack(request.scope)
    body = error_body(error, request.scope.get("request_id", ""), msgpack=msgpack)
    headers = {name.decode(): value.decode() for name, value in error_headers(error)}
    return Response(body, error.status, headers, media_type=(MSGPACK if msgpack else JSON).decode())


def _validation_error(error: RequestValidationError) -> Malformed:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return Malformed(f"{field}: {first['msg']}", argument=field, got=repr(first.get("input"))[:100])


def _http_error(request: Request, error: HTTPException) -> TelegradError:
    if error.status_code == 404:
        return NotFound(f"there is nothing at {request.url.path}", hint="GET /docs shows every route")
    if error.status_code == 405:
        allowed = ", ".join(sorted(methods_at(request.app.openapi(), request.url.path)))
        return MethodNotAllowed(f"{request.method} is not for {request.url.path}", expected=allowed, got=request.method)
    matching = [cls for cls in CODES.values() if cls.status == error.status_code]
    return (matching[0] if matching else ServiceError)(str(error.detail))
