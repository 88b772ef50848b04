"""What the package shows and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

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


def test_the_names_that_training_code_uses() -> None:
    assert set(TRAINING) <= set(telegrad.__all__)
    assert all(hasattr(telegrad, name) for name in telegrad.__all__)


def test_no_helper_is_public() -> None:
    odd = {"Any", "TYPE_CHECKING", "annotations", "record", "stream", "attach"} & set(telegrad.__all__)
    assert not odd
    assert not {"binder", "inplace", "no_grad", "warn", "overload", "Literal"} & set(functional.__all__)


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
