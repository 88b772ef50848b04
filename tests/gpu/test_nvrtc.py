"""NVRTC, the compiler of the real devices, takes every kernel of ours in every instantiation the backend asks for."""

from __future__ import annotations

import pytest
from gpu.instantiations import kernels, recorded
from gpu.nvrtc import ARCHITECTURES, assert_compiles

from telegrad_server.backend.cupy.device import source

KERNELS = kernels()

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cupy_wheels"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def asked() -> dict[str, set[str]]:
    return recorded()


def options() -> tuple[str, ...]:
    """What CuPy hands to NVRTC for a `RawModule` with the options that `DeviceSession` gives."""
    from cupy._core import core

    return core.assemble_cupy_compiler_options(("-std=c++17",))


@pytest.mark.parametrize("family", sorted(KERNELS))
def test_every_kernel_is_asked_for(family, asked):
    assert {expression.split("<")[0] for expression in asked[family]} == KERNELS[family]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("family", sorted(KERNELS))
def test_every_instantiation_compiles(family, architecture, asked):
    assert_compiles(source(family), options(), sorted(asked[family]), architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_kernel_that_is_ambiguous_in_half_precision_fails(architecture):
    from cupy.cuda.compiler import CompileException

    planted = """#include <cuda_fp16.h>
    template <class T> __global__ void planted(T* z, const T* x) { z[0] = x[0] > T(0) ? x[0] * x[0] : tanh(x[0]); }"""
    assert_compiles(planted, options(), ("planted<float>",), architecture)
    with pytest.raises(CompileException, match="error"):
        assert_compiles(planted, options(), ("planted<__half>",), architecture)


def test_a_second_compilation_is_remembered(monkeypatch, tmp_path):
    monkeypatch.setenv("TELEGRAD_SIMT_CACHE", str(tmp_path))
    assert_compiles('extern "C" __global__ void nothing() {}', options())
    monkeypatch.setattr("gpu.nvrtc._compile", lambda *_: pytest.fail("compiled again"))
    assert_compiles('extern "C" __global__ void nothing() {}', options())
