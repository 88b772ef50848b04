"""Authentication, Host and Origin checks, before every route."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from ipaddress import ip_address, ip_network
from typing import Any, Final

from telegrad_protocol.errors import Forbidden, TelegradError, Unauthorized
from telegrad_server.settings import Settings, is_loopback

from .responses import send_error

OPEN_PATHS: Final = ("/", "/v1/health", "/docs", "/openapi.json", "/v1/ops", "/v1/rows")
"""Paths that show no session's data and need no token."""


class Security:
    """ASGI middleware; puts the caller's identity at `scope["owner"]`: a fingerprint of the token, or None."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self._tokens = {token.encode(): fingerprint(token) for token in settings.tokens}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        scope["request_id"] = secrets.token_hex(6)
        try:
            origin = self._check_origin(headers)
            if origin is not None:
                send = _with_origin(origin, send)
            self._check_host(headers)
            if origin is not None and scope["method"] == "OPTIONS":
                await _preflight(send)
                return
            scope["owner"] = self._identify(headers, scope["path"])
        except TelegradError as error:
            await send_error(scope, send, error)
            return
        await self.app(scope, receive, send)

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        """Against DNS rebinding: a foreign page whose name was made to point here still sends its own Host."""
        host = _host_of(headers.get(b"host", b"").decode("latin-1"))
        listed = self.settings.allow_hosts
        if host in listed or is_loopback(host):
            return
        if self.settings.loopback or listed:
            raise Forbidden(
                f"the Host header names {host or 'nothing'}, which is not a name of this server",
                expected=", ".join(sorted(listed)) or "localhost or a loopback address",
                got=host,
                hint="start the server with --allow-host",
            )

    def _check_origin(self, headers: dict[bytes, bytes]) -> bytes | None:
        origin = headers.get(b"origin")
        if origin is None:
            return None
        name = origin.decode("latin-1")
        own = headers.get(b"host", b"").decode("latin-1")
        if name in self.settings.allow_origins or name == f"http://{own}":
            return origin
        raise Forbidden(
            f"pages of {name} may not use this server",
            got=name,
            hint="start the server with --allow-origin " + name,
        )

    def _identify(self, headers: dict[bytes, bytes], path: str) -> str | None:
        if not self._tokens:
            return None
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        found = None
        for known, name in self._tokens.items():  # all of them: the time must not depend on the token
            if hmac.compare_digest(known, token.strip()):
                found = name
        if found is not None and scheme.lower() == b"bearer":
            return found
        if path in OPEN_PATHS or path.startswith(("/docs/", "/v1/ops/")):
            return None
        missing = b"authorization" not in headers
        raise Unauthorized(
            "this server asks for a token" if missing else "the token is not one of this server's",
            hint="send the header 'Authorization: Bearer TOKEN'; the client takes it from TELEGRAD_TOKEN",
        )


def address_of(scope: Any) -> str | None:
    """The address by which callers are told apart; in IPv6 the network of 64 bits that belongs to one caller.

    None for callers on this machine, which share an address, and for those behind a proxy on it that sends none.
    """
    host = (scope.get("client") or ("",))[0]
    if is_loopback(host):
        return None
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return str(found) if found.version == 4 else str(ip_network((found, 64), strict=False))


def fingerprint(token: str) -> str:
    """A digest that stands for a token and does not reveal it."""
    return hashlib.blake2b(token.encode(), digest_size=8).hexdigest()


def _host_of(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def _with_origin(origin: bytes, send: Any) -> Any:
    async def send_with_origin(message: Any) -> None:
        if message["type"] == "http.response.start":
            extra = [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return send_with_origin


async def _preflight(send: Any) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
        (b"access-control-allow-headers", b"authorization, content-type, accept, range"),
        (b"access-control-max-age", b"600"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
