"""What the package shows and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest
from support import torch_names

import telegrad
import telegrad.nn.functional as functional
from telegrad import nn

TRAINING = """
    tensor zeros ones empty full eye arange linspace zeros_like ones_like rand randn randint randperm manual_seed
    no_grad enable_grad set_grad_enabled inference_mode Generator Tensor Size device dtype connect synchronize
    cat stack split chunk where max min mean sum std var argmax topk sort cumsum gather index_select masked_select
    matmul bmm mm einsum exp log sqrt sin cos tanh sigmoid relu softmax log_softmax clamp abs pow multinomial
    allclose equal nn optim utils linalg cuda amp autocast is_autocast_enabled float32 int64 bool bfloat16
""".split()


OURS = {
    "telegrad": set("connect deferred disconnect get_printoptions printoptions profile read_all synchronize".split()),
    "telegrad.amp": {"get_autocast_dtype", "is_autocast_enabled"},
}
"""What public modules list that PyTorch's do not."""


def _pytorchs_names() -> dict[str, set[str]]:
    """PyTorch's public names by module."""
    lines = torch_names.FILE.read_text().replace("\n ", " ").splitlines()
    return {owner: set(names.split()) for owner, _, names in (line.partition(": ") for line in lines)}


THEIRS = {owner.replace("torch", "telegrad", 1): names for owner, names in _pytorchs_names().items()}
PUBLIC = [name for name in THEIRS if name in sys.modules]
"""The modules that PyTorch has by the same name."""


def test_the_names_that_training_code_uses() -> None:
    assert set(TRAINING) <= set(telegrad.__all__)
    assert {
        "nn",
        "nn.functional",
        "nn.init",
        "nn.utils",
        "optim",
        "optim.lr_scheduler",
        "utils.data",
        "cuda",
        "amp",
    } <= {name.removeprefix("telegrad.") for name in PUBLIC}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_module_lists_is_there_and_is_pytorchs(name: str) -> None:
    module, theirs = sys.modules[name], THEIRS[name]
    listed = set(module.__all__)
    assert listed
    assert [each for each in listed if not hasattr(module, each)] == []
    assert listed - theirs == OURS.get(name, set())


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_has_no_name_of_pytorchs_that_it_does_not_list(name: str) -> None:
    """Programs expect PyTorch's function or class under such a name, not an internal of telegrad's."""
    module, theirs = sys.modules[name], THEIRS[name]
    unlisted = {each: vars(module)[each] for each in theirs & vars(module).keys() - set(module.__all__)}
    assert {each for each, value in unlisted.items() if not isinstance(value, ModuleType | type)} == set()
    for value in unlisted.values():  # Tensor, Optimizer: the same things as where they are listed
        assert value.__name__ in ("Tensor", "Optimizer") or value.__name__.startswith(f"{name}.")


def test_importing_loads_nothing_but_the_three_dependencies() -> None:
    script = """
import sys
before = {name.partition(".")[0] for name in sys.modules}
import telegrad
after = {name.partition(".")[0] for name in sys.modules}
foreign = {name for name in after - before if not name.startswith("_")} - set(sys.stdlib_module_names)
print(" ".join(sorted(foreign)))
"""
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    ours = {"telegrad", "telegrad_protocol"}
    three = {"numpy", "cython_runtime", "msgpack", "httpx"}
    httpx_needs = {"httpcore", "h11", "anyio", "certifi", "idna", "sniffio", "typing_extensions"}
    httpx_command = {
        "click",
        "rich",
        "pygments",
        "markdown_it",
        "mdurl",
    }  # loaded only where other tools installed them
    assert set(loaded) - ours - three - httpx_needs - httpx_command == set()
    assert not {"torch", "fastapi", "numba", "telegrad_server"} & set(loaded)


def test_functional_is_one_module() -> None:
    assert nn.functional is functional is telegrad.functional
