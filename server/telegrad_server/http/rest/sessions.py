"""REST routes of the server and of sessions: health, info; sessions opened, renewed, extended and closed."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from telegrad_protocol import spec, wire
from telegrad_protocol.devices import canonical
from telegrad_protocol.errors import DeviceError, TooMany, VersionMismatch
from telegrad_protocol.messages import PROTOCOL_VERSION, OpenSession, SessionOpened, StreamOpened
from telegrad_server.http.responses import MSGPACK, wants_msgpack
from telegrad_server.http.security import address_of
from telegrad_server.sessions.registry import Sessions

from . import codec
from .dependencies import read_body, session_of, sessions_of
from .op_stream import reserve_first_stream
from .openapi_fields import BODY, SESSION, SessionId, answers, errors, struct, takes
from .schemas import Empty, Health, Hello, Info, Lease, Opened, OpenedStream, checked

router = APIRouter()
_ID = "8f2a6c1e9b3d4f70a1b2c3d4e5f60718293a4b5c6d7e8f90"
_OPENED = struct(session=_ID, stream=0, first_id=1, lease=60.0, server=_ID[:16], package="0.1.0", devices=["cpu"])


@router.get("/v1/health", tags=["server"], responses=errors())
async def health() -> Health:
    """Whether the server answers, and which of its devices do not; 503 where one does not. Needs no token."""
    return Health(status="ok", down=[])  # for the documentation: the fast route answers before this


@router.get("/v1/info", tags=["server"], responses=errors())
async def info(request: Request) -> Info:
    """Versions, devices, memory."""
    return Info(
        protocol=PROTOCOL_VERSION,
        package=version("telegrad"),
        digest=spec.digest(),
        server=sessions_of(request).run_id,
        devices=list(sessions_of(request).workers),
        sessions=len(sessions_of(request)),
        memory=await sessions_of(request).memory(),
    )


@router.post(
    "/v1/sessions",
    tags=["sessions"],
    openapi_extra=takes(Hello, struct(protocol=1, package="0.1.0", digest=spec.digest())),
    responses=answers(Opened, "The session", _OPENED) | errors(BODY, (VersionMismatch, TooMany, DeviceError)),
)
async def open_session(request: Request) -> Any:
    """Open a session. Its id is a secret: whoever has it, and the token, has the tensors."""
    hello = await _hello(request)
    check_versions(hello)
    sessions = sessions_of(request)
    session = await sessions.open(request.scope["owner"], _device(hello, sessions), address_of(request.scope))
    if hello.digest is None:  # not a client that sends rows
        reserve_first_stream(session)
    opened = SessionOpened(
        session.id,
        0,
        1,
        session.lease,
        sessions.run_id,
        version("telegrad"),
        tuple(sessions.workers),
    )
    return _answer(request, opened)


def _device(hello: Hello, sessions: Sessions) -> str:
    try:
        return canonical(hello.device)
    except DeviceError as error:
        error.details["hint"] = f"this server has {', '.join(sessions.workers)}"
        raise


async def _hello(request: Request) -> Hello:
    kind = codec.content_type(request.scope, codec.PLAIN)
    body = await read_body(request, 1 << 16)
    if kind == codec.MSGPACK:
        return Hello(**wire.decode_struct(OpenSession, body)._asdict())
    return checked(Hello, codec.parse(body, kind))


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


@router.delete("/v1/sessions/{session}", tags=["sessions"], responses=errors(SESSION))
async def close_session(request: Request, session_id: SessionId) -> Empty:
    """End a session; its tensors are gone."""
    await sessions_of(request).close(session_of(request, session_id))
    return Empty()


@router.post("/v1/sessions/{session}/lease", tags=["sessions"], responses=errors(SESSION))
async def renew_lease(request: Request, session_id: SessionId) -> Lease:
    """Keep an idle session; any other request does so too."""
    return Lease(lease=session_of(request, session_id).lease)


@router.post(
    "/v1/sessions/{session}/streams",
    tags=["sessions"],
    responses=answers(OpenedStream, "The stream", struct(stream=1, first_id=1 << wire.ID_BITS | 1)) | errors(SESSION),
)
async def open_stream(request: Request, session_id: SessionId) -> Any:
    """Open a further stream of submissions, with an id range of its own."""
    opened: StreamOpened = await session_of(request, session_id).open_stream()
    return _answer(request, opened)


@router.post("/v1/sessions/{session}/streams/{stream}/stop", tags=["rows"], responses=errors(SESSION))
async def stop_stream(
    request: Request,
    session_id: SessionId,
    stream: Annotated[int, Path(ge=0, le=9999, description="A stream of the session", examples=[0])],
    epoch: Annotated[int, Query(ge=0, lt=10**15, description="The last epoch to stop", examples=[0])] = 0,
) -> Empty:
    """Run no more rows of a stream up to this epoch: those that have not run are skipped, as after a failure.

    Answered once the row that runs has ended: a kernel is not stopped in its middle. Rows of the next epoch run.
    """
    await session_of(request, session_id).stop_stream(stream, epoch)
    return Empty()


def _answer(request: Request, opened: Any) -> Any:
    if wants_msgpack(request.scope):
        return Response(wire.pack(opened), media_type=MSGPACK.decode())
    return opened._asdict()
