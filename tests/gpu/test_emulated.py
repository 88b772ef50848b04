"""The emulated devices under the real CuPy: what they do, what they count, and what they refuse."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from types import ModuleType

import ml_dtypes
import numpy as np
import pytest
from gpu.emulated import DEVICE_MEMORY, Counters, check_fences, control, counters, load, set_limit

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def device(cp: ModuleType) -> Iterator[None]:
    """Each test starts with an empty device 0 of its full size."""
    cp.get_default_memory_pool().free_all_blocks()
    yield
    set_limit(DEVICE_MEMORY)
    check_fences()


# The replacement ----------------------------------------------------------------------------------------------


def capsule(name: bytes) -> object:
    """A capsule of this name; names must outlive their capsules."""
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return make(1, name, None)


def test_a_capsule_of_another_signature_is_not_replaced():
    other = b"intptr_t (size_t, int, int __pyx_skip_dispatch)"
    with pytest.raises(ImportError, match=r'runtime.malloc is "intptr_t \(size_t, int, .*this emulator was written'):
        control.emulated_runtime().replace("runtime", "malloc", capsule(other))


def test_another_version_of_cupy_is_an_error(monkeypatch):
    monkeypatch.setattr(load, "version", lambda name: "14.3.0")
    with pytest.raises(ImportError, match=r"written for CuPy 14.2.0, found 14.3.0"):
        load._refuse_other_cupy()


def test_cupy_must_not_be_imported_before():
    assert "cupy" in sys.modules
    with pytest.raises(ImportError, match="imported already"):
        load._refuse_other_cupy()


def test_the_devices_cannot_be_changed_later():
    with pytest.raises(RuntimeError, match="is loaded with"):
        load.load_cupy(devices=1)


# Memory -------------------------------------------------------------------------------------------------------


def test_a_full_device_raises_and_recovers(cp):
    set_limit(8 << 20)
    kept = cp.zeros(1 << 20, np.float32)
    with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="Out of memory allocating 8,388,608 bytes"):
        cp.empty(2 << 20, np.float32)
    del kept
    assert float(cp.ones(1 << 20, np.float32).sum()) == 1 << 20


def test_a_pools_own_limit_holds_too(cp):
    pool = cp.cuda.MemoryPool()
    pool.set_limit(size=1 << 20)
    with cp.cuda.using_allocator(pool.malloc), pytest.raises(MemoryError):
        cp.empty(2 << 20, np.uint8)


def test_new_memory_is_poisoned_fresh_and_reused(cp):
    fresh = cp.empty(100, np.float32)
    assert np.isnan(fresh.get()).all()
    fresh.fill(1)
    address = fresh.data.ptr
    del fresh
    again = cp.empty(100, np.float32)
    assert again.data.ptr == address
    assert np.isnan(again.get()).all()


def test_a_write_just_outside_an_allocation_is_found(cp):
    kernel = cp.RawKernel('extern "C" __global__ void out_by_one(char* x, long long at) { x[at] = 0; }', "out_by_one")
    array = cp.empty(1000, np.uint8)  # the pool allocates in steps of 512 bytes
    kernel((1,), (1,), (array, np.int64(1023)))
    check_fences()
    kernel((1,), (1,), (array, np.int64(1024)))
    with pytest.raises(RuntimeError, match="byte 1024 of an allocation of 1024 bytes was written"):
        cp.cuda.Device().synchronize()
    kernel((1,), (1,), (array, np.int64(-1)))
    with pytest.raises(RuntimeError, match="byte -1 of an allocation"):
        check_fences()


def test_a_copy_stays_in_its_memory(cp):
    array, host = cp.zeros(128, np.float32), np.zeros(200, np.float32)
    runtime = cp.cuda.runtime
    with pytest.raises(RuntimeError, match="reads outside of the memory"):
        runtime.memcpy(host.ctypes.data, array.data.ptr, 513, runtime.memcpyDeviceToHost)
    with pytest.raises(RuntimeError, match="writes outside of the memory"):
        runtime.memcpy(array.data.ptr, host.ctypes.data, 513, runtime.memcpyHostToDevice)
    with pytest.raises(RuntimeError, match="writes outside of the memory"):
        runtime.memcpy(host.ctypes.data, host.ctypes.data, 4, runtime.memcpyHostToDevice)


# Counters, streams, devices -----------------------------------------------------------------------------------


def test_work_is_counted(cp):
    def counted(call):
        before = counters()
        result = call()
        return result, (counters() - before)._replace(allocations=0)

    cp.arange(3.0) + 1  # everything is compiled and loaded
    x, upload = counted(lambda: cp.asarray(np.ones(3)))
    y, add = counted(lambda: x + x)
    values, download = counted(y.get)
    _, wait = counted(cp.cuda.Device().synchronize)
    assert values.tolist() == [2, 2, 2]
    assert (upload.to_device, add, wait) == (1, Counters(1, 0, 0, 0, 0, 0), Counters(0, 0, 0, 0, 1, 0))
    assert (download.launches, download.to_host) == (0, 1)


def test_allocations_of_device_memory_are_counted(cp):
    before = counters()
    for _ in range(3):
        cp.empty(1 << 20)  # the pool gives the same memory again
    assert (counters() - before).allocations == 1


def test_a_copy_to_pinned_memory_arrives_when_it_is_waited_for(cp):
    import cupyx

    stream, event = cp.cuda.Stream(non_blocking=True), cp.cuda.Event()
    x = cp.arange(8, dtype=np.float32)
    host = cupyx.empty_pinned(8, np.float32)
    x.get(stream=stream, out=host, blocking=False)
    event.record(stream)
    x.fill(0)
    assert np.isnan(host).all()
    event.synchronize()
    np.testing.assert_array_equal(host, np.arange(8))


def test_an_event_or_stream_is_not_done_before_its_copies(cp):
    import cupyx

    stream, event = cp.cuda.Stream(non_blocking=True), cp.cuda.Event()
    host = cupyx.empty_pinned(8, np.float32)
    cp.ones(8, np.float32).get(stream=stream, out=host, blocking=False)
    event.record(stream)
    assert [event.done, event.done] == [False, True]
    assert stream.done
    assert host.tolist() == [1] * 8


def test_two_devices_have_memory_of_their_own(cp):
    assert cp.cuda.runtime.getDeviceCount() == 2
    free = cp.cuda.Device(0).mem_info[0]
    with cp.cuda.Device(1):
        there = cp.arange(1 << 20)
        assert cp.cuda.Device().mem_info[0] < DEVICE_MEMORY
    assert (there.device.id, cp.cuda.Device(0).mem_info[0]) == (1, free)
    with cp.cuda.Device(0):
        np.testing.assert_array_equal(cp.asnumpy(there), np.arange(1 << 20))
        here = cp.asarray(there)
    assert here.device.id == 0


def test_an_unknown_device_is_refused(cp):
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="InvalidDevice"):
        cp.cuda.Device(2).use()


# Kernels ------------------------------------------------------------------------------------------------------


def test_a_kernel_that_is_ambiguous_in_half_precision_fails_in_nvrtc(cp):
    kernel = cp.ElementwiseKernel("T x, T y", "T z", "z = x > 0 ? x * y : T(tanh(x))", "planted")
    one = np.ones(2, np.float32)
    np.testing.assert_array_equal(kernel(cp.asarray(one), cp.asarray(one)).get(), one)
    half = cp.asarray(one.astype(np.float16))
    with pytest.raises(cp.cuda.compiler.CompileException, match="ambiguous"):
        kernel(half, half)


def test_templates_are_found_by_name_expressions(cp):
    source = "template <class T> __global__ void twice(T* x) { x[threadIdx.x] *= 2; }"
    expressions = ("twice<float>", "twice<long long>")
    module = cp.RawModule(code=source, options=("-std=c++17",), name_expressions=expressions)
    for dtype, expression in zip((np.float32, np.int64), expressions, strict=True):
        x = cp.arange(4, dtype=dtype)
        module.get_function(expression)((1,), (4,), (x,))
        assert x.get().tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_reduction_is_right_in_any_order_of_threads(cp, seed, monkeypatch):
    monkeypatch.setenv("TELEGRAD_SIMT_SEED", seed)
    x = rng.integers(0, 100, (7, 1000)).astype(np.float32)
    np.testing.assert_array_equal(cp.asarray(x).sum(axis=1).get(), x.sum(axis=1))


def test_a_failing_launch_raises(cp):
    kernel = cp.RawKernel('extern "C" __global__ void stop() { __trap(); }', "stop")
    with pytest.raises(RuntimeError, match="__trap"):
        kernel((1,), (1,), ())


# Products -----------------------------------------------------------------------------------------------------

TYPES = {
    np.dtype(np.float32): (0, 68, np.float32),
    np.dtype(np.float64): (1, 70, np.float64),
    np.dtype(np.float16): (2, 68, np.float32),
    np.dtype(ml_dtypes.bfloat16): (14, 68, np.float32),
}


def gemm(cp, a, b, c, sizes, leading, *, transposed=(0, 0), steps=(0, 0, 0), batch=1, code=None):
    """cublasGemmStridedBatchedEx on whole arrays, in its own column-major terms."""
    from cupy_backends.cuda.libs import cublas

    type_code, compute, scalar = TYPES[a.dtype]
    code = type_code if code is None else code
    one, zero = scalar(1).reshape(1), scalar(0).reshape(1)
    handle = cp.cuda.device.get_cublas_handle()
    left, right = (a.data.ptr, code, leading[0], steps[0]), (b.data.ptr, code, leading[1], steps[1])
    out = (c.data.ptr, code, leading[2], steps[2], batch, compute, -1)
    cublas.gemmStridedBatchedEx(handle, *transposed, *sizes, one.ctypes.data, *left, *right, zero.ctypes.data, *out)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("ta", [0, 1])
@pytest.mark.parametrize("tb", [0, 1])
def test_batched_products_agree_with_numpy(cp, dtype, ta, tb):
    m, n, k, batch = 5, 19, 7, 3
    a = rng.integers(-4, 5, (batch, *((m, k) if ta else (k, m)))).astype(dtype)
    b = rng.integers(-4, 5, (batch, *((k, n) if tb else (n, k)))).astype(dtype)
    c = cp.empty((batch, n, m), dtype)
    leading = (a.shape[2], b.shape[2], m)
    gemm(
        cp,
        cp.asarray(a),
        cp.asarray(b),
        c,
        (m, n, k),
        leading,
        transposed=(ta, tb),
        steps=(m * k, k * n, n * m),
        batch=batch,
    )
    left, right = a.astype(np.float64), b.astype(np.float64)
    left, right = (left if ta else left.swapaxes(1, 2)), (right if tb else right.swapaxes(1, 2))
    np.testing.assert_array_equal(c.get().astype(np.float64).swapaxes(1, 2), left @ right)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leading": (3, 8, 4)}, "lda is 3, the matrix has 4 rows"),
        ({"leading": (4, 7, 4)}, "ldb is 7, the matrix has 8 rows"),
        ({"leading": (4, 8, 3)}, "ldc is 3, the matrix has 4 rows"),
        ({"leading": (5, 8, 4)}, "a, 4 x 8 with leading dimension 5, item 0 of 1: not wholly in one allocation"),
        ({"sizes": (4, 5, -1)}, "negative sizes: m 4, n 5, k -1"),
        ({"batch": 2, "steps": (0, 0, 128)}, "c, 4 x 4 with leading dimension 4, item 1 of 2: not wholly"),
        ({"batch": 2, "steps": (-1, 0, 0)}, "the stride of a is -1"),
        ({"code": 9}, "no computation 68 of types 9, 9 to 9"),
        ({"code": 1}, "no computation 68 of types 1, 1 to 1"),
        ({"transposed": (3, 0)}, "unknown operations 3, 0"),
    ],
)
def test_wrong_arguments_of_a_product_are_refused(cp, changes, message, capfd):
    a, b, c = (cp.zeros(128, np.float32) for _ in range(3))
    call = {"sizes": (4, 4, 8), "leading": (4, 8, 4), **changes}
    if "allocation" in message:
        a, call["sizes"] = a[96:], (4, 4, 8)
    from cupy_backends.cuda.libs.cublas import CUBLASError

    with pytest.raises(CUBLASError, match="INVALID_VALUE"):
        gemm(cp, a, b, c, **call)
    assert message in capfd.readouterr().err


def test_a_function_of_cublas_that_is_not_emulated_is_refused_by_name(cp, capfd):
    from cupy_backends.cuda.libs import cublas

    with pytest.raises(cublas.CUBLASError, match="NOT_SUPPORTED"):
        cublas.snrm2(cp.cuda.device.get_cublas_handle(), 1, cp.ones(1, np.float32).data.ptr, 1, 0)
    assert "cublasSnrm2_v2 is not emulated" in capfd.readouterr().err


# Sorting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64, np.float16, np.float32, np.float64], ids=np.dtype)
def test_sorting_agrees_with_numpy(cp, dtype):
    x = rng.integers(-50, 50, (3, 40)).astype(dtype)
    np.testing.assert_array_equal(cp.sort(cp.asarray(x), axis=0).get(), np.sort(x, axis=0))
    np.testing.assert_array_equal(cp.argsort(cp.asarray(x)).get(), np.argsort(x, kind="stable"))
    np.testing.assert_array_equal(cp.lexsort(cp.asarray(x)).get(), np.lexsort(x))


def test_nan_sorts_last(cp):
    x = np.array([2, np.nan, 1, -np.inf], np.float32)
    np.testing.assert_array_equal(cp.sort(cp.asarray(x)).get(), np.sort(x))


@pytest.mark.parametrize("name", ["sort", "argsort", "lexsort"])
def test_sorting_refuses_bfloat16_as_cupy_does(cp, name):
    x = cp.asarray(np.ones((2, 3), ml_dtypes.bfloat16))
    with pytest.raises((TypeError, ValueError), match="bfloat16"):
        getattr(cp, name)(x)


# Refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cp: cp.random.default_rng(0), "cupy.random.default_rng is not emulated"),
        (lambda cp: cp.random.XORWOW(0), "cupy.random.XORWOW is not emulated"),
        (lambda cp: cp.random.rand(3), "curand"),
        (lambda cp: cp.linalg.svd(cp.eye(2)), "cusolver"),
        (lambda cp: cp.fft.fft(cp.ones(4)), "cufft"),
        (lambda cp: cp.cuda.cub.device_reduce(None), "cub.device_reduce is not emulated"),
        (lambda cp: cp.cuda.Stream(non_blocking=True).begin_capture(), "not emulated"),
        (lambda cp: cp.cuda.malloc_managed(8), "not emulated"),
        (lambda cp: cp.cuda.malloc_async(8), "does not support malloc_async"),
        (lambda cp: cp.cuda.profiler.start(), "not emulated"),
        (lambda cp: cp.RawKernel("", "k", backend="nvcc").compile(), "not emulated: compiling with nvcc"),
        (lambda cp: cp.RawKernel("", "k", enable_cooperative_groups=True).compile(), "enable_cooperative_groups"),
        (
            lambda cp: cp.cuda.texture.CUDAarray(cp.cuda.texture.ChannelFormatDescriptor(32, 0, 0, 0, 2), 4),
            "not emulated",
        ),
    ],
)
def test_what_cannot_be_emulated_is_refused(cp, call, message):
    with pytest.raises((NotImplementedError, RuntimeError, ImportError), match=message):
        call(cp)
