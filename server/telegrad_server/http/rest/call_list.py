"""Several calls in one request: one submission, and an answer with the outcome of each call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from telegrad_protocol.errors import Malformed, TelegradError, TooLarge
from telegrad_protocol.limits import LISTED, MOST_ROWS
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.spec import OPS
from telegrad_server.sessions import reads
from telegrad_server.sessions.session import Session

from . import codec
from .calls import Call, Names, bind, find_op, freed_ids, known_count, not_there, prepare
from .codec import PLAIN
from .dependencies import answer_values, op_stream_of, plain_body, session_of
from .offload import work
from .op_stream import OpStream, Outcome, control_row, pack_rows
from .openapi_fields import ANSWER, BODY, OP, SESSION, SessionId, answers, errors, takes
from .schemas import TENSOR, CallList, ListedBackward, ListedOp, ListedTensor, ListTold, checked
from .tensors import check_bytes, check_grad, value_in
from .values import whole

router = APIRouter()

_BEFORE: Final = -1
"""Stands for the checks that run before the first call of the list."""


@router.post(
    "/v1/sessions/{session}/run",
    tags=["ops"],
    openapi_extra=takes(CallList),
    responses=answers(ListTold, "What the calls gave") | errors(SESSION, BODY, OP, ANSWER),
)
async def run_calls(request: Request, session_id: SessionId) -> Response:
    """Run several calls, read values and forget tensors: a whole training step is one request.

    A call is an op, as in `POST .../ops/{name}`; a walk back, `{"backward": "loss"}`; or a tensor, as in `POST .../tensors`.
    A call's `name` stands for its result in the calls after it, in `read` and in `free`.

    The first call that fails ends the list. The calls before it have been done, and what they wrote in place stays
    written; those after it are not run; nothing that `free` names is freed; what the list has made is gone. The error's
    `calls` tells this of each call. An unknown op, name or argument is found before the first call is run.
    """
    kind = codec.choose(request.scope, PLAIN)
    op_stream, session = await op_stream_of(request, session_id), session_of(request, session_id)
    plan = Plan(op_stream, checked(CallList, await plain_body(request)))
    await work(request.state.large, plan.build)
    found = await plan.run(session, kind)
    return await answer_values(found, kind, plan.read_bytes)


class Plan:
    """The rows of a list of calls.

    `call_indices`: for each row the index of its call in the list, past the last call for reads. `made`: ids to free
    after a failure. `freed_last`: earlier ids, which a submission of its own frees after success, since a failure skips
    every row but those that free. `described`: for each call the ids of its results, None for those that the list frees.
    """

    def __init__(self, op_stream: OpStream, wanted: CallList) -> None:
        self.op_stream = op_stream
        self.wanted = wanted
        self.names = Names()
        self.rows: list[Row] = []
        self.call_indices: list[int] = []
        self.checks: list[tuple[str, int]] = []
        self.made: set[int] = set()
        self.freed_last: list[int] = []
        self.calls: list[Call] = []
        self.described: list[list[int | None]] = []
        self.read_bytes = 0
        self.freed = {name for call in wanted.calls if isinstance(call, ListedOp) for name in call.free}
        self.freed |= set(wanted.free)
        self.freed_ids = {int(name[1:]) for name in self.freed if TENSOR.fullmatch(name)}

    # From calls to rows -----------------------------------------------------------------------------------

    def build(self) -> None:
        """Bind every call. Raises the error of the first wrong one; no call has run then."""
        for call_index, listed in enumerate(self.wanted.calls):
            try:
                self._add(call_index, listed)
            except TelegradError as error:
                raise self._failure(error, call_index, begun=False) from None
        try:
            self._add_reads(len(self.calls))
            self._free(len(self.calls), self.wanted.free)
        except TelegradError as error:
            raise self._failure(error, _BEFORE) from None

    def _add(self, call_index: int, listed: ListedOp | ListedBackward | ListedTensor) -> None:
        if isinstance(listed, ListedOp):
            self._add_op(call_index, listed)
        elif isinstance(listed, ListedTensor):
            self._add_tensor(call_index, listed)
        else:
            self._add_backward(call_index, listed)

    def _add_op(self, call_index: int, listed: ListedOp) -> None:
        spec = find_op(listed.op)
        bound = bind(self.op_stream, spec, listed.args, self.names)
        named = [listed.name] if isinstance(listed.name, str) else list(listed.name or ())
        count = _count_named(listed, named, 1 if listed.inplace else known_count(spec, bound))
        wanted: Sequence[str | None] = named or [None] * count
        outs = [] if listed.inplace else [self._new_id(name) for name in wanted]
        call = prepare(spec, bound, outs, inplace=listed.inplace, grad=listed.grad)
        self._append(call_index, call.row)
        self._add_results(call_index, call, wanted)
        self._free(call_index, listed.free)

    def _add_tensor(self, call_index: int, listed: ListedTensor) -> None:
        value = value_in(listed)
        check_grad(value, listed.requires_grad)
        check_bytes(value)
        tensor = self._new_id(listed.name)
        row = control_row("constant", tensor, value.data, value.dtype.name, value.shape)
        self._append(call_index, row)
        if listed.requires_grad:
            self._append(call_index, control_row("set_requires_grad", None, tensor, True))
        self._add_results(call_index, Call(OPS["constant"], row, [tensor], [tensor], False), [listed.name])

    def _add_backward(self, call_index: int, listed: ListedBackward) -> None:
        tensor = self.names.tensor(listed.backward, "backward")
        gradient = None if listed.gradient is None else self.names.tensor(listed.gradient, "gradient")
        flags = (listed.retain_graph or listed.create_graph, listed.create_graph)
        row = control_row("backward", None, (tensor,), (gradient,), (), *flags)
        self._append(call_index, row)
        self._add_results(call_index, Call(OPS["backward"], row, [], [], False), [])

    def _add_reads(self, call_index: int) -> None:
        for name in dict.fromkeys(self.wanted.read):
            tensor, read = self.names.tensor(name, "read"), self.op_stream.scratch_id()
            if tensor not in self.made:
                self.checks.append(("read", tensor))
            self._append(call_index, control_row("read", read, tensor))
            self.made.add(read)

    def _new_id(self, name: str | None) -> int:
        """The id of a result: one that callers see only if the list does not free it."""
        return self.op_stream.scratch_id() if name in self.freed else self.op_stream.new_id()

    def _append(self, call_index: int, row: Row) -> None:
        pack_rows([row])  # raises for the call whose arguments cannot be sent
        if len(self.rows) == MOST_ROWS:
            raise TooLarge("the list makes too many tensors", expected=MOST_ROWS)
        self.rows.append(row)
        self.call_indices.append(call_index)

    def _add_results(self, call_index: int, call: Call, named: Sequence[str | None]) -> None:
        """Name the results of a call, and describe those that the list does not free."""
        for name, tensor in zip(named, call.ids, strict=True):
            if name is not None:
                self._name(name, tensor)
        self.made |= set(call.outs)
        described = [None if tensor in self.freed_ids else tensor for tensor in call.ids]
        for shown in described:
            if shown is not None and not call.makes_generator:
                self._append(call_index, control_row("describe", None, shown))
        self.calls.append(call)
        self.described.append(described)

    def _name(self, name: str, tensor: int) -> None:
        if not name or codec.number(name) is not None or TENSOR.fullmatch(name):
            raise Malformed(f"name: '{name}' is no name, or means something else", argument="name", got=name)
        if name in self.names.given:
            raise Malformed(f"name: an earlier call is named '{name}'", argument="name", got=name)
        self.names.given[name] = tensor
        if name in self.freed:
            self.freed_ids.add(tensor)

    def _free(self, call_index: int, names: Sequence[str]) -> None:
        """Free the list's own results after this call, and earlier tensors at the end of the list."""
        freed = freed_ids(self.names, names)
        here = [tensor for tensor in freed if tensor in self.made]
        before = [tensor for tensor in freed if tensor not in self.made]
        if here:
            self._append(call_index, control_row("free", None, tuple(here)))
        self.checks += [("free", tensor) for tensor in before]
        self.freed_last += before
        if len(self.freed_last) > LISTED:
            raise TooLarge(f"the list frees more than {LISTED} tensors from before it", argument="free")

    # Running ----------------------------------------------------------------------------------------------

    async def run(self, session: Session, kind: str) -> dict[str, Any]:
        """Run the list; the answer. Raises the error of the call that failed, with the state of every call."""
        checks = [control_row("describe", None, tensor) for _, tensor in self.checks]
        outcome = await self.op_stream.attempt([*checks, *self.rows], list(self.made))
        found_reads = [found for found in outcome.results if found.id]
        if outcome.error is not None:
            await _drop(session, found_reads)
            raise self._failed(outcome)
        results = iter(outcome.results[len(checks) :])
        calls = [{"status": "done", "result": result} for result in self._answers(results)]
        try:
            values = await self._values(session, found_reads, kind)
        except TelegradError as error:
            await self.op_stream.forget(list(self.made))
            raise self._failure(error, len(self.calls)) from None
        if self.freed_last:
            await self.op_stream.forget(self.freed_last)
        return {"calls": calls, "values": values}

    def _answers(self, results: Iterator[ReadResult]) -> Iterator[Any]:
        for call, ids in zip(self.calls, self.described, strict=True):
            yield call.answer([None if tensor is None else call.metadata(tensor, results) for tensor in ids])

    async def _values(self, session: Session, found_reads: list[ReadResult], kind: str) -> dict[str, Any]:
        try:
            self.read_bytes = sum(codec.size_of(found) for found in found_reads)
            codec.check_json_size(self.read_bytes)
            found = [await whole(session, read, kind) for read in found_reads]
        except BaseException:
            await _drop(session, found_reads)
            raise
        return dict(zip(dict.fromkeys(self.wanted.read), found, strict=True))

    def _failed(self, outcome: Outcome) -> TelegradError:
        assert outcome.error is not None
        row = -1 if outcome.row is None else outcome.row - len(self.checks)
        if row >= 0:
            return self._failure(outcome.error, self.call_indices[row])
        error = outcome.error if outcome.row is None else not_there(*self.checks[outcome.row])
        return self._failure(error, _BEFORE)

    def _failure(self, error: TelegradError, call_index: int, *, begun: bool = True) -> TelegradError:
        """The error of a call, with the state of each call of the list."""
        record = error.to_dict()
        error.details["calls"] = [
            {"status": "failed", "error": record}
            if index == call_index
            else {"status": "done" if begun and index < call_index else "not_run"}
            for index in range(len(self.wanted.calls))
        ]
        return error


def _count_named(listed: ListedOp, named: Sequence[str], count: int | None) -> int:
    """The number of results of a call. Raises `Malformed` unless all of them are named, or none."""
    if count is None and not named:
        raise Malformed(
            f"{listed.op} has as many results as its arguments say: name them all, in a list", argument="name"
        )
    found = len(named) if count is None else count
    if named and (len(named) != found or (isinstance(listed.name, str) and count is None)):
        results = {0: "no result", 1: "one result"}.get(found, f"{found} results")
        raise Malformed(
            f"{listed.op} has {results}, and 'name' names {len(named)}: several are named in a list", argument="name"
        )
    return found


async def _drop(session: Session, found_reads: list[ReadResult]) -> None:
    """Forget values that wait to be read."""
    for found in found_reads:
        if found.data is None:
            await reads.drop(session, found.id)
