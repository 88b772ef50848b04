"""What goes wrong in a call is told once, by a traceback that ends at the user's own line."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad import nn
from telegrad._runtime.process import stream
from telegrad.nn import functional as F
from telegrad.utils.data import DataLoader, Dataset


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    stream.restart(LocalSession())
    yield
    stream.restart()


class Net(nn.Module):
    """A layer inside a sequence inside a module of the user's."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x: Any) -> Any:
        return self.layers(x)


class Numbers(Dataset[int]):
    """A data set that breaks at its third sample."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        if index == 2:
            raise LookupError("sample 2 is broken")
        return index


def late() -> Any:
    """A tensor that fails on the server."""
    return tg.ones(3).exp()[tg.tensor([7])]


def reuse_optimizer() -> None:
    optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=0.1)
    optimizer.load_state_dict({"state": {}, "param_groups": []})


def assign_in_place() -> None:
    x = tg.ones(2, 3)
    x += tg.ones(4)


def assign_index() -> None:
    tg.ones(2, 3)[5] = 1.0


def set_grad() -> None:
    tg.ones(2, requires_grad=True).grad = tg.ones(3)


MISTAKES: dict[str, Callable[[], Any]] = {
    "operator": lambda: tg.ones(2, 3) + tg.ones(4),
    "reflected operator": lambda: 2.0 ** tg.ones(2, dtype=tg.int64) + tg.ones(3),
    "foreign operand": lambda: tg.ones(2) + "a",
    "in-place operator": assign_in_place,
    "function": lambda: tg.matmul(tg.ones(2, 3), tg.ones(4)),
    "functional": lambda: F.linear(tg.ones(2, 3), tg.ones(2, 2)),
    "functional by hand": lambda: F.batch_norm(tg.ones(2, 3), None, None),
    "activation in place": lambda: F.relu(3, inplace=True),
    "overload": lambda: tg.max(tg.ones(2), 5),
    "method": lambda: tg.ones(2, 3).view(7),
    "in-place method": lambda: tg.ones(2, 3).add_(tg.ones(5)),
    "method with sizes": lambda: tg.ones(2, 3).expand(4, 5),
    "unknown argument": lambda: tg.ones(2).sum(dimm=1),
    "unknown argument of an overload": lambda: tg.max(tg.ones(2), dimm=1),
    "factory": lambda: tg.zeros(2, dtype="nonsense"),
    "data": lambda: tg.tensor([[1], [2, 3]]),
    "class": lambda: tg.Tensor("nonsense"),
    "indexing": lambda: tg.ones(2, 3)[5],
    "index assignment": assign_index,
    "shape": lambda: tg.ones(2).shape[7],
    "size": lambda: tg.ones(2).size(7),
    "device": lambda: tg.device("nonsense"),
    "truth": lambda: bool(tg.ones(2)),
    "number": lambda: tg.ones(2).item(),
    "to NumPy": lambda: tg.ones(2, requires_grad=True).numpy(),
    "backward": lambda: tg.ones(2).backward(),
    "assigned gradient": set_grad,
    "gradient of": lambda: tg.autograd.grad(tg.ones(1), tg.ones(1)),
    "missing attribute": lambda: tg.ones(2).nonsense,
    "missing layer": lambda: Net().nonsense,
    "layer": lambda: nn.Conv2d(3, 4, 3)(tg.ones(2, 2)),
    "layer's own check": lambda: nn.Conv2d(3, 4, 3, groups=2),
    "state dict": lambda: Net().load_state_dict({}),
    "optimizer": lambda: tg.optim.SGD([], lr=1.0),
    "optimizer's state": reuse_optimizer,
    "initialisation": lambda: nn.init.xavier_uniform_(tg.ones(2)),
    "linear algebra": lambda: tg.linalg.inv(tg.ones(2, 3)),
    "generator": lambda: tg.Generator("nonsense"),
    "random": lambda: tg.randint(5, 2, (3,)).tolist(),
    "loader": lambda: DataLoader(Numbers(), batch_size=2, shuffle=True, sampler=[1]),
    "late error at a read": lambda: late().tolist(),
    "late error at a shape": lambda: tg.masked_select(late(), tg.ones(1) > 0).shape,
    "late error at synchronize": lambda: (late(), tg.synchronize()),
}


def told(call: Callable[[], Any]) -> traceback.TracebackException:
    """What a user sees of the error that a call raises."""
    try:
        call()
    except Exception as error:
        return traceback.TracebackException.from_exception(error)
    pytest.fail("no error was raised")


def assert_ends_here(seen: traceback.TracebackException) -> None:
    assert [Path(frame.filename).name for frame in seen.stack] == [Path(__file__).name] * len(seen.stack)
    text = "".join(seen.format())
    assert text.count("Traceback (most recent call last)") == 1, text


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_traceback_that_ends_at_the_users_line(mistake: str) -> None:
    for _ in range(2):  # the second time metadata may be known
        assert_ends_here(told(MISTAKES[mistake]))


def test_what_the_user_wrote_between_telegrads_frames_stays() -> None:
    seen = told(lambda: nn.Sequential(Net())(tg.ones(2, 3)))
    assert_ends_here(seen)
    assert [frame.name for frame in seen.stack] == ["told", "<lambda>", "forward"]


def test_a_loader_shows_the_data_sets_frame() -> None:
    seen = told(lambda: list(DataLoader(Numbers(), batch_size=2)))
    assert_ends_here(seen)
    assert seen.stack[-1].name == "__getitem__"


def test_a_loader_with_workers_shows_the_data_sets_frame() -> None:
    seen = told(lambda: list(DataLoader(Numbers(), batch_size=2, num_workers=1)))
    text = "".join(seen.format())
    assert "sample 2 is broken" in text
    assert "telegrad/" not in text.replace(str(Path(__file__).parents[2]), "")


def test_a_hook_that_fails_shows_its_own_line() -> None:
    net = Net()

    def hook(*_: Any) -> None:
        raise LookupError("hook")

    net.layers[0].register_forward_hook(hook)
    seen = told(lambda: net(tg.ones(1, 4)))
    assert_ends_here(seen)
    assert seen.stack[-1].name == "hook"


def test_an_error_that_the_user_was_handling_is_still_told() -> None:
    def handle() -> None:
        try:
            raise LookupError("the user's own")
        except LookupError:
            tg.ones(2, 3) + tg.ones(4)

    text = "".join(told(handle).format())
    assert text.count("Traceback (most recent call last)") == 2
    assert "the user's own" in text
    assert "KeyError" not in text


def test_a_failure_that_is_raised_twice_does_not_gather_lines() -> None:
    waiting = late().read()
    assert len(told(waiting.result).stack) == len(told(waiting.result).stack)


def test_the_full_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAD_FULL_TRACEBACK", "1")
    assert any("_tracing" in frame.filename for frame in told(MISTAKES["operator"]).stack)
    assert any(frame.filename == "<telegrad add>" for frame in told(MISTAKES["operator"]).stack)


def test_functions_keep_their_names_signatures_and_pickle() -> None:
    import inspect
    import pickle

    assert tg.Tensor.item.__name__ == "item"
    assert list(inspect.signature(tg.std).parameters)[:2] == ["input", "dim"]
    for function in (tg.std_mean, tg.relu, F.batch_norm, tg.utils.data.default_collate):
        assert pickle.loads(pickle.dumps(function)) is function
