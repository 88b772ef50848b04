"""The plain routes: what this server is, and sessions opened, extended and closed."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from telegrad_protocol import spec, wire
from telegrad_protocol.errors import Malformed, VersionMismatch, WrongContentType
from telegrad_protocol.messages import PROTOCOL_VERSION, OpenSession, SessionOpened, StreamOpened

from .answers import MSGPACK, wants_msgpack
from .sessions import Session, Sessions

router = APIRouter()


class Hello(BaseModel):
    """What a caller may say of itself; a plain HTTP caller sends `{}`."""

    protocol: int | None = Field(None, description="Protocol version that the caller speaks", examples=[1])
    package: str | None = Field(None, description="Version of the caller's package", examples=["0.1.0"])
    digest: str | None = Field(None, description="Fingerprint of the caller's op table")


class Opened(BaseModel):
    """A session; every path below `/v1/sessions/{session}` belongs to it."""

    session: str
    stream: int
    first_id: int
    lease: float = Field(description="Seconds without a request after which the session ends")
    server: str
    package: str
    devices: list[str]


class Info(BaseModel):
    """What this server is."""

    protocol: int
    package: str
    digest: str
    server: str = Field(description="Changes when the server is restarted")
    devices: list[str]
    sessions: int
    memory: dict[str, int]


class Lease(BaseModel):
    lease: float


def sessions_of(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def session_of(request: Request, session: str) -> Session:
    """The session in the path, if the caller owns it. Raises `SessionGone`."""
    return sessions_of(request).get(session, request.scope["owner"])


@router.get("/v1/health", tags=["server"])
async def health() -> dict[str, str]:
    """Whether the server answers; needs no token."""
    return {"status": "ok"}  # shown in the documentation; the hot route answers before this


@router.get("/v1/info", tags=["server"])
async def info(request: Request) -> Info:
    """Versions, devices, memory."""
    found = await request.app.state.worker.health()
    return Info(
        protocol=PROTOCOL_VERSION,
        package=version("telegrad"),
        digest=spec.digest(),
        server=sessions_of(request).run_id,
        devices=[request.app.state.settings.device],
        sessions=len(sessions_of(request)),
        memory={key: found[key] for key in ("bytes_used", "bytes_peak", "bytes_limit")},
    )


@router.post("/v1/sessions", tags=["sessions"], response_model=Opened)
async def open_session(request: Request) -> Any:
    """Open a session. Its id is a secret: whoever has it, and the token, has the tensors."""
    hello = await _hello(request)
    check_versions(hello)
    sessions = sessions_of(request)
    session = await sessions.open(request.scope["owner"])
    opened = SessionOpened(
        session.name,
        0,
        1,
        session.lease,
        sessions.run_id,
        version("telegrad"),
        (request.app.state.settings.device,),
    )
    return _answer(request, opened)


async def _hello(request: Request) -> Hello:
    body = await request.body()
    if len(body) > 1 << 16:
        raise Malformed("a request to open a session is small")
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind == wire.CONTENT_TYPE:
        found = wire.decode_record(OpenSession, body)
        return Hello(protocol=found.protocol, package=found.package, digest=found.digest)
    if kind != "application/json":
        raise WrongContentType("the body must be application/json or application/msgpack", got=kind or "nothing")
    try:
        return Hello.model_validate_json(body)
    except ValueError as error:
        raise Malformed(f"not a request to open a session: {error}") from None


def check_versions(hello: Hello) -> None:
    """Raise `VersionMismatch`, saying which side to upgrade, unless both sides read rows alike."""
    ours, theirs = version("telegrad"), hello.package or "unknown"
    if hello.protocol is not None and hello.protocol != PROTOCOL_VERSION:
        older = "client" if hello.protocol < PROTOCOL_VERSION else "server"
        raise VersionMismatch(
            f"the client speaks protocol {hello.protocol} (telegrad {theirs}), the server {PROTOCOL_VERSION} "
            f"(telegrad {ours}): upgrade the {older}",
            expected=PROTOCOL_VERSION,
            got=hello.protocol,
        )
    if hello.digest is not None and hello.digest != spec.digest():
        raise VersionMismatch(
            f"client (telegrad {theirs}) and server (telegrad {ours}) have different op tables: "
            "install the same version on both sides",
            expected=spec.digest(),
            got=hello.digest,
        )


@router.delete("/v1/sessions/{session}", tags=["sessions"])
async def close_session(request: Request, session: str) -> dict[str, str]:
    """End a session; its tensors are gone."""
    await sessions_of(request).close(session_of(request, session))
    return {}


@router.post("/v1/sessions/{session}/lease", tags=["sessions"])
async def renew_lease(request: Request, session: str) -> Lease:
    """Keep an idle session; any other request does so too."""
    return Lease(lease=session_of(request, session).lease)


@router.post("/v1/sessions/{session}/streams", tags=["sessions"])
async def open_stream(request: Request, session: str) -> Any:
    """Open a further stream of submissions, with an id range of its own."""
    owner = session_of(request, session)
    opened: StreamOpened = owner.add_stream()
    await owner.worker.open_stream(owner.name, opened.stream)
    return _answer(request, opened)


def _answer(request: Request, record: Any) -> Any:
    if wants_msgpack(request.scope):
        return Response(wire.pack(record), media_type=MSGPACK.decode())
    return record._asdict()
