"""Methods of `Module`: the same results from telegrad's and from PyTorch's."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

import telegrad as tg


def make(lib: Any) -> Any:
    """A module that holds parameters, buffers, modules and nothing by several names."""
    nn = lib.nn

    class Net(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 3)
            self.norm = nn.BatchNorm1d(3)
            self.rest = nn.Sequential(nn.ReLU(), nn.Linear(3, 1, bias=False))
            self.scale = nn.Parameter(lib.ones(1))
            self.register_parameter("absent", None)
            self.register_buffer("seen", lib.zeros(2))
            self.register_buffer("scratch", lib.zeros(1), persistent=False)
            self.nothing = None

        def forward(self, x: Any, times: float = 1.0) -> Any:
            return self.rest(self.norm(self.first(x))) * self.scale * times

    return Net()


PARAMETERS = ["scale", "first.weight", "first.bias", "norm.weight", "norm.bias", "rest.1.weight"]
BUFFERS = ["seen", "scratch", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
MODULES = ["", "first", "norm", "rest", "rest.0", "rest.1"]
STATE = ["scale", "seen", *PARAMETERS[1:5], *BUFFERS[2:], "rest.1.weight"]


def shared(lib: Any) -> Any:
    """One layer under two names."""
    layer = lib.nn.Linear(1, 1)
    return lib.nn.ModuleDict({"a": layer, "b": layer})


def test_every_public_method_is_called_here() -> None:
    text = Path(__file__).read_text()
    methods = [name for name in dir(tg.nn.Module) if not name.startswith("_") and name != "forward"]
    assert len(methods) >= 32
    assert [name for name in methods if not re.search(rf"\.{name}\b|\"{name}\"", text)] == []


# Walking ----------------------------------------------------------------------------------------------------------


def test_parameters(lib: Any) -> None:
    net = make(lib)
    named = list(net.named_parameters())
    assert [name for name, _ in named] == PARAMETERS
    assert all(isinstance(p, lib.nn.Parameter) for _, p in named)
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in named]
    assert [id(p) for p in net.parameters(recurse=False)] == [id(net.scale)]
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]
    assert [name for name, _ in net.rest.named_parameters(prefix="rest")] == ["rest.1.weight"]


def test_buffers(lib: Any) -> None:
    net = make(lib)
    named = list(net.named_buffers())
    assert [name for name, _ in named] == BUFFERS
    assert [id(b) for b in net.buffers()] == [id(b) for _, b in named]
    assert [id(b) for b in net.buffers(recurse=False)] == [id(net.seen), id(net.scratch)]
    assert [name for name, _ in net.norm.named_buffers("n")] == [f"n.{name}" for name in vars(net.norm)["_buffers"]]


def test_modules(lib: Any) -> None:
    net = make(lib)
    named = list(net.named_modules())
    assert [name for name, _ in named] == MODULES
    assert [id(m) for m in net.modules()] == [id(m) for _, m in named]
    assert [name for name, _ in net.named_modules(prefix="net")] == ["net", *(f"net.{name}" for name in MODULES[1:])]
    assert [name for name, _ in net.named_modules(memo={net.rest})] == MODULES[:3]
    assert [name for name, _ in net.named_children()] == ["first", "norm", "rest"]
    assert [id(m) for m in net.children()] == [id(net.first), id(net.norm), id(net.rest)]


def test_what_is_shared_comes_once_unless_all_names_are_wanted(lib: Any) -> None:
    pair = shared(lib)
    assert [name for name, _ in pair.named_parameters()] == ["a.weight", "a.bias"]
    every = [name for name, _ in pair.named_parameters(remove_duplicate=False)]
    assert every == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert [name for name, _ in pair.named_modules()] == ["", "a"]
    assert [name for name, _ in pair.named_modules(remove_duplicate=False)] == ["", "a", "b"]
    assert [name for name, _ in pair.named_children()] == ["a"]
    assert list(pair.state_dict()) == every
    pair.a.register_buffer("seen", lib.zeros(1))
    assert [name for name, _ in pair.named_buffers()] == ["a.seen"]
    assert [name for name, _ in pair.named_buffers(remove_duplicate=False)] == ["a.seen", "b.seen"]


def test_paths(lib: Any) -> None:
    net = make(lib)
    assert net.get_submodule("") is net
    assert net.get_submodule("rest.1") is net.rest[1]
    assert net.get_parameter("rest.1.weight") is net.rest[1].weight
    assert net.get_parameter("scale") is net.scale
    for call, told in (
        (lambda: net.get_submodule("rest.7"), "Sequential has no attribute `7`"),
        (lambda: net.get_submodule("scale"), "`scale` is not an nn.Module"),
        (lambda: net.get_parameter("first.weights"), "Linear has no attribute `weights`"),
        (lambda: net.get_parameter("seen"), "`seen` is not an nn.Parameter"),
        (lambda: net.get_parameter("second.weight"), "Net has no attribute `second`"),
    ):
        with pytest.raises(AttributeError, match=re.escape(told)):
            call()


def test_dir_and_attributes(lib: Any) -> None:
    net = make(lib)
    assert {"scale", "absent", "seen", "scratch", "first", "norm", "rest", "nothing", "forward"} <= set(dir(net))
    assert net.absent is None
    assert net.nothing is None
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'second'"):
        net.second  # noqa: B018
    del net.seen
    assert not hasattr(net, "seen")
    assert "seen" not in dir(net)


def test_what_is_registered_is_found(lib: Any) -> None:
    net, nn = lib.nn.Module(), lib.nn
    net.register_parameter("weight", nn.Parameter(lib.ones(1)))
    net.register_buffer("seen", lib.zeros(1))
    net.register_module("layer", nn.ReLU())
    net.add_module("other", nn.Tanh())
    assert [name for name, _ in net.named_parameters()] == ["weight"]
    assert [name for name, _ in net.named_buffers()] == ["seen"]
    assert [name for name, _ in net.named_children()] == ["layer", "other"]


def test_a_copy_is_whole_and_apart(lib: Any) -> None:
    net = make(lib)
    twin = copy.deepcopy(net)
    assert [name for name, _ in twin.named_parameters()] == PARAMETERS
    assert all(isinstance(p, lib.nn.Parameter) and p.is_leaf and p.requires_grad for p in twin.parameters())
    with lib.no_grad():
        twin.scale.fill_(5.0)
    assert (net.scale.item(), twin.scale.item()) == (1.0, 5.0)
    pair = copy.deepcopy(shared(lib))
    assert pair["a"] is pair["b"]


# Calls and hooks --------------------------------------------------------------------------------------------------


def test_a_call_gives_forward_its_arguments(lib: Any) -> None:
    net = make(lib).eval()
    x = lib.ones(4, 2)
    assert lib.allclose(net(x, times=3.0), 3 * net(x))
    assert lib.equal(net(x), net.forward(x))
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        lib.nn.Module()(x)


def test_forward_hooks_see_and_replace_the_output(lib: Any) -> None:
    layer, seen = lib.nn.Identity(), []
    last = layer.register_forward_hook(lambda module, args, output: output * 10)
    layer.register_forward_hook(lambda module, args, output: seen.append((module, args, output)))
    layer.register_forward_hook(lambda module, args, output: output + 1, prepend=True)
    x = lib.ones(1)
    assert layer(x).tolist() == [20.0]
    ((module, args, output),) = seen
    assert module is layer
    assert args[0] is x
    assert output.tolist() == [20.0]
    last.remove()
    assert layer(x).tolist() == [2.0]


def test_forward_pre_hooks_see_and_replace_the_arguments(lib: Any) -> None:
    layer, seen = lib.nn.Identity(), []
    last = layer.register_forward_pre_hook(lambda module, args: args[0] * 10)
    layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].tolist()))
    layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,), prepend=True)
    assert layer(lib.ones(1)).tolist() == [20.0]
    assert seen == [[20.0]]
    last.remove()
    assert layer(lib.ones(1)).tolist() == [2.0]


def test_hooks_with_keyword_arguments(lib: Any) -> None:
    net, seen = make(lib).eval(), []
    x = lib.ones(4, 2)
    net.register_forward_pre_hook(lambda module, args, kwargs: (args, {"times": 2.0}), with_kwargs=True)
    net.register_forward_hook(lambda module, args, kwargs, output: seen.append(kwargs), with_kwargs=True)
    assert lib.allclose(net(x, times=5.0), net.forward(x, times=2.0))
    assert seen == [{"times": 2.0}]


# Modes and casts --------------------------------------------------------------------------------------------------


def test_train_and_eval(lib: Any) -> None:
    net = make(lib)
    assert net.eval() is net
    assert [m.training for m in net.modules()] == [False] * len(MODULES)
    assert net.rest.train() is net.rest
    assert [m.training for m in net.modules()] == [False, False, False, True, True, True]
    assert net.train(False).training is False
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train("no")


def test_requires_grad_is_said_of_parameters(lib: Any) -> None:
    net = make(lib)
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    net.first.requires_grad_()
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["first.weight", "first.bias"]
    assert not any(b.requires_grad for b in net.buffers())


def test_zero_grad(lib: Any) -> None:
    net = make(lib)
    net(lib.ones(4, 2)).sum().backward()
    kept = net.scale.grad
    net.zero_grad(set_to_none=False)
    assert net.scale.grad is kept
    assert all(p.grad.count_nonzero() == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_apply_goes_from_below(lib: Any) -> None:
    net, seen = make(lib), []
    assert net.apply(seen.append) is net
    assert [id(m) for m in seen] == [id(m) for m in (net.first, net.norm, *net.rest, net.rest, net)]


@pytest.mark.parametrize("name", ["half", "bfloat16", "double", "float"])
def test_a_cast_reaches_what_is_floating_and_keeps_parameters(lib: Any, name: str) -> None:
    net = make(lib)
    before = list(net.parameters())
    dtype = getattr(lib, {"half": "float16", "double": "float64", "float": "float32"}.get(name, name))
    assert getattr(net, name)() is net
    assert [id(p) for p in net.parameters()] == [id(p) for p in before]
    assert {p.dtype for p in before} == {dtype}
    assert all(p.is_leaf and p.requires_grad for p in before)
    assert {name: b.dtype for name, b in net.named_buffers() if b.dtype != dtype} == {
        "norm.num_batches_tracked": lib.int64
    }


def test_a_cast_reaches_gradients(lib: Any) -> None:
    layer = lib.nn.Linear(2, 1)
    layer(lib.ones(1, 2)).sum().backward()
    layer.double()
    assert layer.weight.grad.dtype == lib.float64
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]
    layer(lib.ones(1, 2, dtype=lib.float64)).sum().backward()
    assert layer.weight.grad.tolist() == [[2.0, 2.0]]


def test_to(lib: Any) -> None:
    net = make(lib)
    assert net.to("cpu") is net
    assert net.cpu() is net
    assert net.to(lib.device("cpu"), lib.float64).scale.dtype == lib.float64
    assert net.to(dtype=lib.float16).scale.dtype == lib.float16
    assert net.to(lib.zeros(1)).scale.dtype == lib.float32
    with pytest.raises(TypeError, match=r"nn\.Module\.to only accepts floating point or complex dtypes"):
        net.to(lib.int64)


def test_cuda_where_there_is_none(lib: Any) -> None:
    if lib.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises((RuntimeError, AssertionError), match=r"CUDA|cuda"):
        make(lib).cuda().scale.tolist()


# State ------------------------------------------------------------------------------------------------------------


def test_the_state_is_shared_and_outside_the_graph(lib: Any) -> None:
    net = make(lib)
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == STATE
    assert not any(value.requires_grad for value in state.values())
    state["scale"].fill_(4.0)
    assert net.scale.item() == 4.0
    assert net.state_dict(keep_vars=True)["scale"] is net.scale


def test_the_state_goes_where_it_is_told(lib: Any) -> None:
    net = make(lib)
    held: dict[str, Any] = OrderedDict(other=1)
    assert net.rest.state_dict(destination=held, prefix="rest.") is held
    assert list(held) == ["other", "rest.1.weight"]


def test_a_hook_completes_the_state(lib: Any) -> None:
    net = make(lib)

    def hook(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        state[f"{prefix}extra"] = module is net.rest

    handle = net.rest.register_state_dict_post_hook(hook)
    assert net.state_dict()["rest.extra"] is True
    handle.remove()
    assert "rest.extra" not in net.state_dict()


def test_loading_copies(lib: Any) -> None:
    source, net = make(lib), make(lib)
    with lib.no_grad():
        source.scale.fill_(3.0)
        source.seen.fill_(2.0)
    scale = net.scale
    found = net.load_state_dict(source.double().state_dict())
    assert str(found) == "<All keys matched successfully>"
    assert (list(found.missing_keys), list(found.unexpected_keys)) == ([], [])
    assert net.scale is scale
    assert scale.requires_grad
    assert (scale.tolist(), net.seen.tolist(), scale.dtype) == ([3.0], [2.0, 2.0], lib.float32)
    assert lib.equal(net.first.weight.double(), source.first.weight)


def test_loading_by_assignment(lib: Any) -> None:
    source, net = make(lib).double(), make(lib)
    net.scale.requires_grad_(False)
    state = source.state_dict()
    net.load_state_dict(state, assign=True)
    assert net.scale.dtype == lib.float64
    assert isinstance(net.scale, lib.nn.Parameter)
    assert not net.scale.requires_grad
    assert net.first.weight.requires_grad
    state["first.weight"].fill_(7.0)
    assert net.first.weight.tolist() == [[7.0, 7.0]] * 3
    net.load_state_dict(source.state_dict(keep_vars=True), assign=True)
    assert net.scale is source.scale


def test_keys_that_do_not_match(lib: Any) -> None:
    net = make(lib)
    state = net.state_dict()
    state["new"] = state.pop("scale")
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Net:\n\t"
        'Missing key(s) in state_dict: "scale". \n\tUnexpected key(s) in state_dict: "new". '
    )
    found = net.load_state_dict(state, strict=False)
    assert (list(found.missing_keys), list(found.unexpected_keys)) == (["scale"], ["new"])
    assert str(found) == "_IncompatibleKeys(missing_keys=['scale'], unexpected_keys=['new'])"


def test_values_that_do_not_fit(lib: Any) -> None:
    net = make(lib)
    told = "size mismatch for scale: copying a param with shape torch.Size([2]) from checkpoint, "
    with pytest.raises(RuntimeError, match=re.escape(told)):
        net.load_state_dict({**net.state_dict(), "scale": lib.ones(2)}, strict=False)
    with pytest.raises(RuntimeError, match='While copying the parameter named "scale", expected'):
        net.load_state_dict({**net.state_dict(), "scale": "one"})
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
        net.load_state_dict([])


@pytest.mark.usefixtures("here")
def test_a_state_that_does_not_fit_changes_nothing() -> None:
    net = make(tg)
    state = {**net.state_dict(), "seen": tg.ones(2), "rest.1.weight": tg.ones(9)}
    with pytest.raises(RuntimeError, match="size mismatch for rest"):
        net.load_state_dict(state)
    assert net.seen.tolist() == [0.0, 0.0]


# Text -------------------------------------------------------------------------------------------------------------


def test_the_text_shows_what_is_below(lib: Any) -> None:
    assert repr(make(lib)) == (
        "Net(\n"
        "  (first): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (norm): BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)\n"
        "  (rest): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=1, bias=False)\n"
        "  )\n"
        ")"
    )
    assert lib.nn.Module().extra_repr() == ""
    assert lib.nn.Linear(1, 2).extra_repr() == "in_features=1, out_features=2, bias=True"


def test_the_text_of_several_lines(lib: Any) -> None:
    class Two(lib.nn.Module):  # type: ignore[name-defined, misc]
        def extra_repr(self) -> str:
            return "a=1\nb=2"

    module = Two()
    assert repr(module) == "Two(\n  a=1\n  b=2\n)"
    module.layer = lib.nn.ReLU()
    assert repr(module) == "Two(\n  a=1\n  b=2\n  (layer): ReLU()\n)"
