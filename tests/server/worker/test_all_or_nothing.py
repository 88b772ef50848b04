"""Rows that touch many tensors, and in-place ops: memory that runs out at any call of the backend changes nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from telegrad_protocol import dtypes, shapes
from telegrad_protocol.errors import OpError, OutOfMemory, TelegradError
from telegrad_protocol.messages import GRAD, INPLACE, Row
from telegrad_protocol.spec import OPS
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.backend.numpy import optim as numpy_optim
from telegrad_server.checks.run import fill, seeded
from telegrad_server.samples import SAMPLES, T
from telegrad_server.worker.dispatch import execute, skip
from telegrad_server.worker.memory import Budget
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Tensor
from telegrad_server.worker.transfers import Read

NO_MEMORY_TAKEN = {"assign", "add_into", "multiply_into", "active", "raise_faults", "record_event", "device", "name"}
"""Calls of the backend that allocate nothing."""


class Failing:
    """A backend that has no memory left at its n-th call that allocates."""

    def __init__(self) -> None:
        self.xp = NumpyBackend()
        self.at = 0
        self.calls = 0

    def for_session(self, memory: int) -> Failing:
        return self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.xp, name)
        if not callable(found) or name in NO_MEMORY_TAKEN or isinstance(found, type):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                raise MemoryError("none left")
            return found(*args, **kwargs)

        return call


class World:
    """A session with some tensors, and a row for it."""

    def __init__(self) -> None:
        self.xp = Failing()
        self.session = Session(self.xp, Budget(1 << 30))
        self.next = 1

    def tensor(self, values: Any, *, requires_grad: bool = False, dtype: Any = np.float32) -> int:
        tensor = self.session.engine.wrap(np.array(values, dtype))
        tensor.requires_grad = requires_grad
        return self.keep(tensor)

    def keep(self, tensor: Tensor) -> int:
        tensor_id, self.next = self.next, self.next + 1
        self.session.tensors[tensor_id] = tensor
        return tensor_id

    def run(self, op: str, *args: Any, flags: int = GRAD, outs: Any = None) -> Any:
        return execute(self.session, Row(OPS[op].index, flags, outs, args))

    def made(self, op: str, *args: Any) -> int:
        tensor_id, self.next = self.next, self.next + 1
        self.run(op, *args, outs=tensor_id)
        return tensor_id

    def grad(self, tensor_id: int, values: Any) -> None:
        self.run("set_grad", tensor_id, self.tensor(values))

    def pin(self, tensor_id: int) -> None:
        tensor = self.session.tensors[tensor_id]
        self.session.reads[1000 + tensor_id] = Read(self.xp, tensor)

    def seen(self) -> dict[Any, Any]:
        """All that a row may change."""
        found: dict[Any, Any] = {tensor_id: _seen(t) for tensor_id, t in self.session.tensors.items()}
        found["reads"] = {read_id: read.data.tobytes() for read_id, read in self.session.reads.items()}
        found["generators"] = [np.array(g.get_state()).tobytes() for g in self.session.generators.values()]
        found["autograd calls"] = list(self.session.autograd_calls)
        found["used"] = self.session.budget.used - self._kept_for_reads()
        return found

    def _kept_for_reads(self) -> int:
        """Bytes of the copies that reads keep of overwritten tensors: they count, and may stay."""
        shared = {t.storage.memory for t in self.session.tensors.values()}
        return sum(read.meta.nbytes for read in self.session.reads.values() if read.storage not in shared)


def _seen(t: Any) -> Any:
    grad = None if t.grad is None else (id(t.grad), t.grad.data.tobytes(), t.grad.storage.version)
    history = (t.node, t.index, t.requires_grad, t.base, t.offset, t.retains)
    kept = [] if t.node is None else [(i, id(r())) for i, r in t.node.retained]
    return id(t), t.data.tobytes(), t._meta, id(t.storage), t.storage.version, grad, history, kept


Build = Callable[[World], Callable[[], Any]]


def _params(w: World) -> tuple[int, ...]:
    """Of every kind that an optimizer takes: plain, of half precision, not contiguous, being read."""
    plain, half = w.tensor(np.ones(3), requires_grad=True), w.tensor(np.ones(4), dtype=np.float16)
    across = w.made("transpose", w.tensor(np.arange(6).reshape(2, 3)), 0, 1)
    read = w.tensor(np.ones(5))
    for param in (plain, across, read):
        w.grad(param, np.ones(w.session.tensors[param].shape))
    w.run("set_grad", half, w.tensor(np.ones(4), dtype=np.float16))
    w.pin(read)
    return plain, half, across, read


def _sgd(w: World) -> Any:
    params = _params(w)
    state_ids = tuple(range(500, 500 + len(params)))
    return lambda: w.run("sgd_step", params, state_ids, 0.1, 0.9, 0.0, 0.0, False, False)


def _sgd_again(w: World) -> Any:
    step = _sgd(w)
    step()
    for state_id in (500, 501):
        w.pin(state_id)
    return step


def _adam(w: World) -> Any:
    params = _params(w)
    state_ids = tuple(range(500, 500 + 4 * len(params)))
    return lambda: w.run("adam_step", params, state_ids, 0.1, 0.9, 0.99, 1e-8, 0.0, True, False, False)


def _unscale(w: World) -> Any:
    params = _params(w)
    w.pin(w.keep(w.session.tensors[params[1]].grad))
    return lambda: w.run("unscale_grads", params, 0.5, outs=900)


def _clear(w: World) -> Any:
    params = _params(w)
    return lambda: w.run("clear_grads", params)


def _graph(w: World, *, again: bool) -> tuple[int, ...]:
    a, b, c = (w.tensor(np.ones(3) * i, requires_grad=True) for i in (1, 2, 3))
    y = w.made("mul", w.made("add", a, b, 1), c)
    w.run("retain_grad", y)
    loss = w.made("sum", y, None, False, None)
    if again:
        for leaf in (a, b):
            w.grad(leaf, [5, 6, 7])
        w.pin(w.keep(w.session.tensors[a].grad))
    return loss, a, b, c


def _backward(again: bool, create: bool = False) -> Build:
    def build(w: World) -> Any:
        loss, *_ = _graph(w, again=again)
        return lambda: w.run("backward", (loss,), (None,), (), True, create)

    return build


def _backward_in_steps(w: World) -> Any:
    loss, *_ = _graph(w, again=True)
    begin = ((loss,), (None,), (), True, False)

    def in_steps() -> None:
        w.run("begin_walk", *begin, outs=800)
        w.run("end_walk", 800)

    return in_steps


def _gradients(w: World) -> Any:
    loss, *leaves = _graph(w, again=False)
    args = ((loss,), tuple(leaves), (None,), True, False, False)
    return lambda: w.run("gradients", *args, outs=(700, 701, 702))


def _set_data(w: World) -> Any:
    a, b = w.tensor([1.0], requires_grad=True), w.tensor([2.0, 3.0])
    return lambda: w.run("set_data", a, b)


def _retain(w: World) -> Any:
    y = w.made("mul", w.tensor([1.0], requires_grad=True), (2.0,))
    return lambda: w.run("retain_grad", y)


def _read(w: World) -> Any:
    across = w.made("transpose", w.tensor(np.ones((200, 300))), 0, 1)
    return lambda: w.run("read", across, outs=900)


def _copy_to_device(w: World) -> Any:
    across = w.made("transpose", w.tensor(np.ones((20, 30))), 0, 1)
    return lambda: w.run("send", across, "cpu", outs=900)


def _promoted(w: World) -> Any:
    target = w.made("mul", w.tensor(np.ones((2, 3)), requires_grad=True), (2.0,))
    view = w.made("select", target, 0, 0)
    w.pin(target)
    other = w.tensor([1, 2, 3], dtype=np.int64)
    return lambda: w.run("add", view, other, 1, flags=GRAD | INPLACE)


def _generator_state(w: World) -> Any:
    return lambda: w.run("get_generator_state", None, outs=900)


ROWS: dict[str, Build] = {
    "sgd_step": _sgd,
    "sgd_step again": _sgd_again,
    "adam_step": _adam,
    "unscale_grads": _unscale,
    "clear_grads": _clear,
    "backward": _backward(again=False),
    "backward again": _backward(again=True),
    "backward, create_graph": _backward(again=True, create=True),
    "begin_walk, end_walk": _backward_in_steps,
    "gradients": _gradients,
    "set_data": _set_data,
    "retain_grad": _retain,
    "read": _read,
    "send": _copy_to_device,
    "add_, of a view, promoted, read": _promoted,
    "get_generator_state": _generator_state,
}


def fails_whole(build: Build) -> int:
    """Let memory run out at each call of the backend in turn. Returns how many there are."""
    n = 1
    while True:
        world = World()
        run = build(world)
        before = world.seen()
        world.xp.calls, world.xp.at = 0, n
        with suppress(OutOfMemory):
            run()
            return n - 1
        world.xp.at = 0
        if world.session.budget.used != before["used"]:
            gc.collect()  # as the executor does: the error's traceback holds frames that hold tensors
        assert world.seen() == before
        run()
        n += 1


@pytest.mark.parametrize("name", ROWS)
def test_a_row_without_memory_changes_nothing(name: str) -> None:
    with np.errstate(all="ignore"):
        fails_whole(ROWS[name])


def _inplace_samples() -> Iterator[Any]:
    for sample in [s for found in SAMPLES.values() for s in found]:
        spec = OPS[sample.op]
        if spec.inplace and not spec.control and isinstance(sample.args[spec.tensor_slots[0]], T):
            yield pytest.param(sample, id=sample.op)


def _wired_args(w: World, sample: Any) -> tuple[list[Any], list[Tensor]]:
    """A sample's arguments as a row has them, and the tensors among them."""
    spec = OPS[sample.op]
    ids = [w.tensor(array, dtype=array.dtype) for array in seeded(sample)]
    tensors = [w.session.tensors[tensor_id] for tensor_id in ids]
    for tensor, t in zip(tensors, sample.tensors(), strict=True):
        tensor.requires_grad = t.grad
    args = list(spec.convert(fill(sample, tensors)))
    if spec.generator_slot is not None:
        args[spec.generator_slot] = None
    by_tensor = {id(tensor): tensor_id for tensor, tensor_id in zip(tensors, ids, strict=True)}
    return [_wired(p, value, by_tensor) for p, value in zip(spec.params, args, strict=True)], tensors


def _inplace(sample: Any) -> Build:
    def build(w: World) -> Any:
        slot = OPS[sample.op].tensor_slots[0]
        wired, (first, *_) = _wired_args(w, sample)
        if first.requires_grad:
            wired[slot] = w.made("mul", wired[slot], (1,))
        w.pin(wired[slot])
        return lambda: w.run(sample.op, *wired, flags=GRAD | INPLACE)

    return build


def _wired(param: Any, value: Any, ids: dict[int, int]) -> Any:
    if isinstance(value, Tensor):
        return ids[id(value)]
    if isinstance(value, tuple) and any(isinstance(item, Tensor) for item in value):
        return tuple([None if item is None else ids[id(item)] for item in value])
    if param.kind.holds_tensors and value is not None and not isinstance(value, tuple):
        return (value,)
    return value.name if isinstance(value, dtypes.DType) else value


def _plain(sample: Any) -> Build:
    def build(w: World) -> Any:
        wired, _ = _wired_args(w, sample)
        count = len(OPS[sample.op].returns or ())
        outs = 900 if count == 1 else tuple(range(900, 900 + count))
        return lambda: w.run(sample.op, *wired, outs=outs)

    return build


PLAIN = [
    s for found in SAMPLES.values() for s in found if not (OPS[s.op].control or OPS[s.op].inner) and OPS[s.op].returns
]


@pytest.mark.parametrize("op", sorted({sample.op for sample in PLAIN}))
def test_an_op_without_memory_says_so_and_changes_nothing(op: str) -> None:
    with np.errstate(all="ignore"):
        for sample in [sample for sample in PLAIN if sample.op == op][:2]:
            fails_whole(_plain(sample))


@pytest.mark.parametrize("sample", list(_inplace_samples()))
def test_an_op_in_place_without_memory_changes_nothing(sample: Any) -> None:
    build = _inplace(sample)
    with np.errstate(all="ignore"):
        try:
            build(World())()
        except TelegradError as error:
            pytest.skip(f"not in place on these: {error}")
        fails_whole(build)


@pytest.mark.parametrize("name", ["sgd_step", "sgd_step again", "adam_step"])
def test_an_optimizers_own_memory_is_there_before_its_first_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    run = ROWS[name](world)
    before = world.seen()

    class NoMemory:
        def __getattr__(self, attribute: str) -> Any:
            if attribute in ("empty", "array", "ascontiguousarray", "zeros"):
                raise MemoryError
            return getattr(np, attribute)

    with monkeypatch.context() as patch:
        patch.setattr(numpy_optim, "np", NoMemory())
        with pytest.raises(OutOfMemory):
            run()
    assert world.seen() == before
    run()


WRITING = {
    "sgd_step": lambda w, p: w.run("sgd_step", p, (), 0.1, 0.0, 0.0, 0.0, False, False),
    "adam_step": lambda w, p: w.run(
        "adam_step", p, (91, 92, 93, 94, 95, 96), 0.1, 0.9, 0.9, 1e-8, 0.0, False, False, False
    ),
    "unscale_grads": lambda w, p: w.run("unscale_grads", p, 0.5, outs=900),
}


@pytest.mark.parametrize("op", WRITING)
def test_an_expanded_tensor_is_refused_before_the_first_write(op: str) -> None:
    w = World()
    first, one, row = w.tensor([1.0, 1.0]), w.tensor([1.0]), w.tensor([1.0])
    wide = w.made("expand", one, (2,))
    w.grad(first, [1.0, 1.0])
    w.run("set_grad", wide, w.made("expand", row, (2,)) if op == "unscale_grads" else w.tensor([1.0, 1.0]))
    before = w.seen()
    with pytest.raises(OpError, match="more than one element of the written-to tensor refers to a single memory"):
        WRITING[op](w, (first, wide))
    assert w.seen() == before


def _state(w: World, p: int, case: str) -> tuple[int, ...]:
    own = w.tensor([0.0, 0.0])
    return {
        "a parameter": (own, p),
        "a view of one": (own, w.made("detach", p)),
        "a gradient": (own, w.keep(w.session.tensors[p].grad)),
        "another's": (own, own),
        "of another shape": (own, w.tensor([0.0])),
        "of another dtype": (own, w.tensor([0.0, 0.0], dtype=np.float64)),
        "expanded": (own, w.made("expand", w.tensor([0.0]), (2,))),
    }[case]


@pytest.mark.parametrize(
    "case",
    ["a parameter", "a view of one", "a gradient", "another's", "of another shape", "of another dtype", "expanded"],
)
def test_a_state_that_is_none_is_refused_before_the_first_write(case: str) -> None:
    w = World()
    params = tuple([w.tensor([1.0, 1.0]) for _ in range(2)])
    for p in params:
        w.grad(p, [1.0, 1.0])
    state = _state(w, params[1], case)
    before = w.seen()
    with pytest.raises(OpError, match="the optimizer's state"):
        w.run("sgd_step", params, state, 0.1, 0.9, 0.0, 0.0, False, False)
    assert w.seen() == before


def test_a_state_is_known_by_its_shape_and_dtype_also_after_the_table_of_metadata_was_emptied() -> None:
    w = World()
    run = _sgd(w)
    run()
    shapes._interned.clear()
    shapes._contiguous.clear()
    run()


def test_a_parameter_given_twice_is_stepped_twice() -> None:
    w = World()
    p = w.tensor([1.0])
    w.grad(p, [1.0])
    w.run("sgd_step", (p, p), (), 0.25, 0.0, 0.0, 0.0, False, False)
    assert w.session.tensors[p].data.tolist() == [0.5]


def test_gradients_that_lie_in_a_gradient_are_added_as_they_were() -> None:
    w = World()
    a, b = (w.tensor([1.0], requires_grad=True) for _ in range(2))
    w.grad(a, [3.0])
    w.grad(b, [5.0])
    y = w.made("add", a, b, 1)
    g = w.keep(w.session.tensors[a].grad)
    w.run("backward", (y,), (g,), (), False, False)
    assert w.session.tensors[a].grad.data.tolist() == [6.0]
    assert w.session.tensors[b].grad.data.tolist() == [8.0]


def test_a_pass_whose_end_is_skipped_is_dropped() -> None:
    w = World()
    loss, *_ = _graph(w, again=False)
    for row in ("end_walk", "drop_walk"):
        w.run("begin_walk", (loss,), (None,), (), True, False, outs=800)
        skip(w.session, Row(OPS[row].index, 0, None, (800,)), OpError("an earlier row failed"))
        assert not w.session.autograd_calls
