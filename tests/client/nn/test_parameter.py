"""`Parameter` and `Buffer`: tensors that a module owns."""

from __future__ import annotations

from typing import Any


def test_a_parameter_requires_grad_and_shares_what_it_is_made_of(lib: Any) -> None:
    data = lib.ones(2)
    parameter = lib.nn.Parameter(data)
    assert isinstance(parameter, lib.Tensor)
    assert isinstance(parameter, lib.nn.Parameter)
    assert not isinstance(data, lib.nn.Parameter)
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert not data.requires_grad
    data.fill_(3.0)
    assert parameter.tolist() == [3.0, 3.0]
    assert not lib.nn.Parameter(data, requires_grad=False).requires_grad
    assert lib.nn.Parameter().shape == (0,)


def test_a_parameter_made_of_a_result_is_a_leaf(lib: Any) -> None:
    x = lib.ones(2, requires_grad=True)
    parameter = lib.nn.Parameter(x * 2)
    assert parameter.is_leaf
    parameter.sum().backward()
    assert x.grad is None
    assert parameter.grad.tolist() == [1.0, 1.0]


def test_what_is_computed_of_a_parameter_is_a_tensor(lib: Any) -> None:
    parameter = lib.nn.Parameter(lib.ones(2))
    for made in (parameter * 2, parameter[0], parameter.view(2, 1), parameter.detach(), parameter.data):
        assert type(made) is lib.Tensor
    assert repr(parameter) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"


def test_a_buffer_is_state_that_is_not_learned(lib: Any) -> None:
    module = lib.nn.Module()
    module.mean = lib.nn.Buffer(lib.zeros(2))
    module.scratch = lib.nn.Buffer(lib.zeros(1), persistent=False)
    module.register_buffer("count", lib.tensor(0))
    module.register_buffer("empty", None)
    assert isinstance(module.mean, lib.nn.Buffer)
    assert [name for name, _ in module.named_buffers()] == ["mean", "scratch", "count"]
    assert list(module.state_dict()) == ["mean", "count"]
    assert list(module.parameters()) == []
    assert module.empty is None
    assert not module.mean.requires_grad


def test_a_buffer_is_cast_and_loaded(lib: Any) -> None:
    module = lib.nn.Module()
    module.mean = lib.nn.Buffer(lib.zeros(2))
    module.register_buffer("count", lib.tensor(0))
    held = module.mean
    found = module.load_state_dict({"mean": lib.ones(2, dtype=lib.float64), "count": lib.tensor(7)})
    assert found.missing_keys == []
    assert module.mean is held
    assert (held.tolist(), held.dtype, module.count.item()) == ([1.0, 1.0], lib.float32, 7)
    module.half()
    assert (module.mean.dtype, module.count.dtype) == (lib.float16, lib.int64)
    assert [name for name, _ in module.named_buffers()] == ["mean", "count"]


def test_a_buffer_that_is_assigned_anew_stays_one(lib: Any) -> None:
    module = lib.nn.Module()
    module.register_buffer("mean", lib.zeros(2), persistent=False)
    module.mean = lib.ones(3)
    assert [(name, b.tolist()) for name, b in module.named_buffers()] == [("mean", [1.0, 1.0, 1.0])]
    assert list(module.state_dict()) == []
    module.mean = module.mean + 1
    assert [b.tolist() for b in module.buffers()] == [[2.0, 2.0, 2.0]]
