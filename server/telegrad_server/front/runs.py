"""Several calls in one request: one submission, whose answer tells what became of each call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from telegrad_protocol.errors import Malformed, TelegradError, TooLarge
from telegrad_protocol.limits import LISTED, MOST_ROWS
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.spec import OPS

from . import codec
from .aside import work
from .caller import Caller, Outcome, control_row, pack_rows
from .calls import Call, Names, bind, find_op, freed_ids, known_count, not_there, prepare
from .codec import PLAIN
from .documented import ANSWER, BODY, OP, SESSION, SessionId, answers, errors, takes
from .door_tensors import check_bytes, check_grad, value_in
from .models import TENSOR, CallList, ListedBackward, ListedOp, ListedTensor, ListTold, checked
from .requests import answer_values, caller_of, plain_body, session_of
from .sessions import Session
from .values import whole

router = APIRouter()

_BEFORE: Final = -1
"""The place in the list of what is checked before its first call."""


@router.post(
    "/v1/sessions/{session}/run",
    tags=["ops"],
    openapi_extra=takes(CallList),
    responses=answers(ListTold, "What the calls gave") | errors(SESSION, BODY, OP, ANSWER),
)
async def run_calls(request: Request, session: SessionId) -> Response:
    """Run several calls, read values and forget tensors: a whole training step is one request.

    A call is an op, as in `POST .../ops/{name}`; a walk back, `{"backward": "loss"}`; or a tensor, as in `POST .../tensors`.
    A call's `name` stands for its result in the calls after it, in `read` and in `free`.

    The first call that fails ends the list. The calls before it have been done, and what they wrote in place stays
    written; those after it are not run; nothing that `free` names is freed; what the list has made is gone. The error's
    `calls` tells this of each call. An unknown op, name or argument is found before the first call is run.
    """
    kind = codec.choose(request.scope, PLAIN)
    caller, owner = await caller_of(request, session), session_of(request, session)
    plan = Plan(caller, checked(CallList, await plain_body(request)))
    await work(request.state.large, plan.build)
    told = await plan.run(owner, kind)
    return await answer_values(told, kind, plan.read_bytes)


class Plan:
    """The rows of a list of calls. `owners` has the place of each row's call: past the last for what is read.

    `made`: ids that must not outlive a failure. `later`: ids from before that are freed when all has gone well, in a
    submission of their own, since a failure skips every row but those that free. `told`: per call, the ids of what it
    gave, None for those that are freed before the answer tells of them.
    """

    def __init__(self, caller: Caller, wanted: CallList) -> None:
        self.caller = caller
        self.wanted = wanted
        self.names = Names()
        self.rows: list[Row] = []
        self.owners: list[int] = []
        self.checks: list[tuple[str, int]] = []
        self.made: set[int] = set()
        self.later: list[int] = []
        self.calls: list[Call] = []
        self.told: list[list[int | None]] = []
        self.read_bytes = 0
        self.freed = {name for call in wanted.calls if isinstance(call, ListedOp) for name in call.free}
        self.freed |= set(wanted.free)
        self.freed_ids = {int(name[1:]) for name in self.freed if TENSOR.fullmatch(name)}

    # From calls to rows -----------------------------------------------------------------------------------

    def build(self) -> None:
        """Bind every call. Raises the error of the first that is wrong; none has been run then."""
        for place, listed in enumerate(self.wanted.calls):
            try:
                self._add(place, listed)
            except TelegradError as error:
                raise self._failure(error, place, begun=False) from None
        try:
            self._add_reads(len(self.calls))
            self._free(len(self.calls), self.wanted.free)
        except TelegradError as error:
            raise self._failure(error, _BEFORE) from None

    def _add(self, place: int, listed: ListedOp | ListedBackward | ListedTensor) -> None:
        if isinstance(listed, ListedOp):
            self._add_op(place, listed)
        elif isinstance(listed, ListedTensor):
            self._add_tensor(place, listed)
        else:
            self._add_backward(place, listed)

    def _add_op(self, place: int, listed: ListedOp) -> None:
        spec = find_op(listed.op)
        bound = bind(self.caller, spec, listed.args, self.names)
        named = [listed.name] if isinstance(listed.name, str) else list(listed.name or ())
        count = _count_named(listed, named, 1 if listed.inplace else known_count(spec, bound))
        wanted = named or [None] * count
        outs = [] if listed.inplace else [self._new_id(name) for name in wanted]
        call = prepare(spec, bound, outs, inplace=listed.inplace, grad=listed.grad)
        self._append(place, call.row)
        self._give(place, call, wanted)
        self._free(place, listed.free)

    def _add_tensor(self, place: int, listed: ListedTensor) -> None:
        value = value_in(listed)
        check_grad(value, listed.requires_grad)
        check_bytes(value)
        tensor = self._new_id(listed.name)
        row = control_row("constant", tensor, value.data, value.dtype.name, value.shape)
        self._append(place, row)
        if listed.requires_grad:
            self._append(place, control_row("set_requires_grad", None, tensor, True))
        self._give(place, Call(OPS["constant"], row, [tensor], [tensor], False), [listed.name])

    def _add_backward(self, place: int, listed: ListedBackward) -> None:
        tensor = self.names.tensor(listed.backward, "backward")
        gradient = None if listed.gradient is None else self.names.tensor(listed.gradient, "gradient")
        flags = (listed.retain_graph or listed.create_graph, listed.create_graph)
        row = control_row("backward", None, (tensor,), (gradient,), (), *flags)
        self._append(place, row)
        self._give(place, Call(OPS["backward"], row, [], [], False), [])

    def _add_reads(self, place: int) -> None:
        for name in dict.fromkeys(self.wanted.read):
            tensor, read = self.names.tensor(name, "read"), self.caller.scratch_id()
            if tensor not in self.made:
                self.checks.append(("read", tensor))
            self._append(place, control_row("read", read, tensor))
            self.made.add(read)

    def _new_id(self, name: str | None) -> int:
        """The id of a result; a number that callers see only where they may use it afterwards."""
        return self.caller.scratch_id() if name in self.freed else self.caller.new_id()

    def _append(self, place: int, row: Row) -> None:
        pack_rows([row])  # so that what cannot be sent is told of its call
        if len(self.rows) == MOST_ROWS:
            raise TooLarge("the list makes too many tensors", expected=MOST_ROWS)
        self.rows.append(row)
        self.owners.append(place)

    def _give(self, place: int, call: Call, named: Sequence[str | None]) -> None:
        """Let names stand for what a call gives, and ask about what is still there when it is told."""
        for name, tensor in zip(named, call.ids, strict=True):
            if name is not None:
                self._name(name, tensor)
        self.made |= set(call.outs)
        told = [None if tensor in self.freed_ids else tensor for tensor in call.ids]
        for tensor in told:
            if tensor is not None and not call.makes_generator:
                self._append(place, control_row("describe", None, tensor))
        self.calls.append(call)
        self.told.append(told)

    def _name(self, name: str, tensor: int) -> None:
        if not name or codec.number(name) is not None or TENSOR.fullmatch(name):
            raise Malformed(f"name: '{name}' is no name, or means something else", argument="name", got=name)
        if name in self.names.given:
            raise Malformed(f"name: an earlier call is named '{name}'", argument="name", got=name)
        self.names.given[name] = tensor
        if name in self.freed:
            self.freed_ids.add(tensor)

    def _free(self, place: int, names: Sequence[str]) -> None:
        """Free at this place what the list has made, and at its end what was there before."""
        freed = freed_ids(self.names, names)
        here = [tensor for tensor in freed if tensor in self.made]
        before = [tensor for tensor in freed if tensor not in self.made]
        if here:
            self._append(place, control_row("free", None, tuple(here)))
        self.checks += [("free", tensor) for tensor in before]
        self.later += before
        if len(self.later) > LISTED:
            raise TooLarge(f"the list frees more than {LISTED} tensors from before it", argument="free")

    # Running ----------------------------------------------------------------------------------------------

    async def run(self, owner: Session, kind: str) -> dict[str, Any]:
        """Carry it out: what the caller is told. Raises the error of what failed, with the state of every call."""
        checks = [control_row("describe", None, tensor) for _, tensor in self.checks]
        outcome = await self.caller.attempt([*checks, *self.rows], list(self.made))
        reads = [found for found in outcome.results if found.id is not None]
        if outcome.error is not None:
            await _drop(owner, reads)
            raise self._failed(outcome)
        results = iter(outcome.results[len(checks) :])
        told = [{"status": "done", "result": result} for result in self._tell(results)]
        try:
            values = await self._values(owner, reads, kind)
        except TelegradError as error:
            await self.caller.forget(list(self.made))
            raise self._failure(error, len(self.calls)) from None
        if self.later:
            await self.caller.forget(self.later)
        return {"calls": told, "values": values}

    def _tell(self, results: Iterator[ReadResult]) -> Iterator[Any]:
        for call, told in zip(self.calls, self.told, strict=True):
            yield call.tell([None if tensor is None else call.metadata(tensor, results) for tensor in told])

    async def _values(self, owner: Session, reads: list[ReadResult], kind: str) -> dict[str, Any]:
        try:
            self.read_bytes = sum(codec.size_of(found) for found in reads)
            codec.check_json_size(self.read_bytes)
            found = [await whole(owner, read, kind) for read in reads]
        except BaseException:
            await _drop(owner, reads)
            raise
        return dict(zip(dict.fromkeys(self.wanted.read), found, strict=True))

    def _failed(self, outcome: Outcome) -> TelegradError:
        assert outcome.error is not None
        row = -1 if outcome.row is None else outcome.row - len(self.checks)
        if row >= 0:
            return self._failure(outcome.error, self.owners[row])
        error = outcome.error if outcome.row is None else not_there(*self.checks[outcome.row])
        return self._failure(error, _BEFORE)

    def _failure(self, error: TelegradError, place: int, *, begun: bool = True) -> TelegradError:
        """The error of the call at a place, with what became of each call."""
        record = error.to_dict()
        error.details["calls"] = [
            {"status": "failed", "error": record}
            if at == place
            else {"status": "done" if begun and at < place else "not_run"}
            for at in range(len(self.wanted.calls))
        ]
        return error


def _count_named(listed: ListedOp, named: Sequence[str], count: int | None) -> int:
    """How many results a call has. Raises `Malformed` unless all of them are named, or none."""
    if count is None and not named:
        raise Malformed(
            f"{listed.op} has as many results as its arguments say: name them all, in a list", argument="name"
        )
    found = len(named) if count is None else count
    if named and (len(named) != found or (isinstance(listed.name, str) and count is None)):
        which = {0: "no result", 1: "one result"}.get(found, f"{found} results")
        raise Malformed(
            f"{listed.op} has {which}, and 'name' names {len(named)}: several are named in a list", argument="name"
        )
    return found


async def _drop(owner: Session, reads: list[ReadResult]) -> None:
    """Let go of values that wait to be read."""
    for found in reads:
        if found.data is None:
            await owner.worker.drop_read(owner.name, found.id)
