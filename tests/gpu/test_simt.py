"""The host compiler for CUDA sources does what a device would, and says so where it cannot."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from gpu.simt import CompileError, Function, LaunchError, compile_kernels, launch
from gpu.simt.compiler import extern_c_kernels, library

pytestmark = pytest.mark.usefixtures("host_compiler")

SOURCE = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>

template <class T, int width> __global__ void __launch_bounds__(width) row_sum(T* out, const T* x, long long columns) {
  __shared__ float part[width];
  float sum = 0;
  for (long long i = threadIdx.x; i < columns; i += blockDim.x) sum += static_cast<float>(x[blockIdx.x * columns + i]);
  part[threadIdx.x] = sum;
  for (int n = width / 2; n; n /= 2) {
    __syncthreads();
    if (threadIdx.x < n) part[threadIdx.x] += part[threadIdx.x + n];
  }
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<T>(part[0]);
}

extern "C" {
__global__ void reverse(int* x) {  // needs its barrier: a thread reads what another wrote
  extern __shared__ int turned[];
  turned[blockDim.x - 1 - threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = turned[threadIdx.x];
}
__global__ void reverse_without_barrier(int* x) {
  extern __shared__ int turned[];
  turned[blockDim.x - 1 - threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = turned[threadIdx.x];
}
__global__ void neighbour_without_barrier(int* x) {
  __shared__ int row[64];
  row[threadIdx.x] = x[threadIdx.x];
  if (threadIdx.x) x[threadIdx.x] = row[threadIdx.x - 1];
}
__global__ void early_return(int* x, int count) {
  __shared__ int cell[64];
  if (threadIdx.x >= count) return;
  cell[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = cell[count - 1 - threadIdx.x];
}
__global__ void two_barriers(int* x) {
  if (threadIdx.x % 2)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void warp_scan(int* x) {  // each warp for itself, and only the first two
  __shared__ int row[96];
  int sum = x[threadIdx.x];
  if (threadIdx.x < 64)
    for (int j = 1; j < 32; j *= 2) {
      row[threadIdx.x] = sum;
      __syncwarp();
      if (threadIdx.x % 32 >= j) sum += row[threadIdx.x - j];
      __syncwarp();
    }
  __syncthreads();
  x[threadIdx.x] = sum;
}
__global__ void half_a_warp(int* x) {
  if (threadIdx.x < 16) __syncwarp();
  else __syncthreads();
}
__global__ void unwritten(float* fixed, int* dynamic) {
  __shared__ float cell[1];
  extern __shared__ int more[];
  fixed[blockIdx.x] = cell[0];
  dynamic[blockIdx.x] = more[0];
  cell[0] = 1;
  more[0] = 1;
}
__global__ void trap(int* x) { if (x[0]) __trap(); }
}

extern "C" __global__ void place(int* out, unsigned char flag, double scale) {
  long long thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  long long block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[block * (blockDim.x * blockDim.y * blockDim.z) + thread] = static_cast<int>(flag * scale * (1000 * block + thread));
}

template <class T> __global__ void histogram(T* counts, T* highest, int* ticket, const int* x, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  atomicAdd(&counts[x[i]], static_cast<T>(1));
  atomicMax(highest, static_cast<T>(x[i]));
  atomicCAS(ticket, 0, 7);
}

template <class T> __global__ void arithmetic(T* out, const T* a, const T* b) {
  int i = threadIdx.x;
  out[i] = a[i] < b[i] ? a[i] * b[i] + a[i] : a[i] / b[i] - b[i];
}

static __device__ __constant__ int table[3] = {2, 3, 5};
template <class T> __global__ void intrinsics(T* out) {
  out[0] = __popc(0xF0u) + __clz(1) + __ffs(8);
  out[1] = __umulhi(0x80000000u, 6u);
  out[2] = __float_as_int(1.0f) == 0x3F800000;
  out[3] = max(2, table[2]) + min(2.5f, 1.0f);
  out[4] = rsqrtf(4.0f) * 8;
}
"""

EXPRESSIONS = (
    "row_sum<float, 64>",
    "row_sum<__half, 128>",
    "row_sum<__nv_bfloat16, 64>",
    "histogram<int>",
    "histogram<unsigned long long>",
    "arithmetic<__half>",
    "arithmetic<__nv_bfloat16>",
    "intrinsics<int>",
)
SEEDS = ("0", "1", "2")


def kernel(name: str) -> Function:
    return compile_kernels(SOURCE, ("-std=c++17",), EXPRESSIONS).function(name)


@pytest.fixture(params=SEEDS)
def seed(request, monkeypatch):
    """The order in which threads run: natural, and two random ones."""
    monkeypatch.setenv("TELEGRAD_SIMT_SEED", request.param)


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (np.float32, "row_sum<float, 64>"),
        (np.float16, "row_sum<__half, 128>"),
        (ml_dtypes.bfloat16, "row_sum<__nv_bfloat16, 64>"),
    ],
)
def test_a_template_sums_rows_through_shared_memory_and_barriers(dtype, name):
    x = np.random.default_rng(0).integers(-8, 8, (5, 100)).astype(dtype)
    out = np.zeros(5, dtype)
    launch(kernel(name), (5,), (int(name[:-1].split(", ")[1]),), (out, x, np.int64(100)))
    np.testing.assert_array_equal(out.astype(np.float32), x.astype(np.float32).sum(1))


@pytest.mark.usefixtures("seed")
def test_a_barrier_makes_writes_of_other_threads_seen():
    x = np.arange(64, dtype=np.int32)
    launch(kernel("reverse"), (1,), (64,), (x,), shared_bytes=256)
    np.testing.assert_array_equal(x, np.arange(64)[::-1])


def test_a_missing_barrier_shows_in_natural_order():
    x = np.arange(64, dtype=np.int32)
    launch(kernel("reverse_without_barrier"), (1,), (64,), (x,), shared_bytes=256)
    assert (x != np.arange(64)[::-1]).any()


def test_a_missing_barrier_that_natural_order_hides_shows_in_random_order(monkeypatch):
    def run(seed: str) -> np.ndarray:
        monkeypatch.setenv("TELEGRAD_SIMT_SEED", seed)
        x = np.arange(64, dtype=np.int32)
        launch(kernel("neighbour_without_barrier"), (1,), (64,), (x,))
        return x

    hidden = np.maximum(np.arange(64) - 1, 0)
    np.testing.assert_array_equal(run("0"), hidden)
    assert (run("1") != hidden).any()


@pytest.mark.usefixtures("seed")
def test_threads_that_returned_are_not_waited_for():
    x = np.arange(64, dtype=np.int32)
    launch(kernel("early_return"), (1,), (64,), (x, np.int32(10)))
    np.testing.assert_array_equal(x, [*range(9, -1, -1), *range(10, 64)])


def test_threads_at_different_barriers_are_refused():
    with pytest.raises(LaunchError, match="wait at different barriers: 0 at line 45, 1 at line 43"):
        launch(kernel("two_barriers"), (1,), (8,), (np.zeros(1, np.int32),))


@pytest.mark.usefixtures("seed")
def test_a_barrier_of_a_warp_leaves_other_warps_alone():
    x = np.arange(96, dtype=np.int32)
    launch(kernel("warp_scan"), (1,), (96,), (x,))
    expected = np.arange(96).reshape(3, 32)
    expected[:2] = expected[:2].cumsum(1)
    np.testing.assert_array_equal(x, expected.ravel())


def test_half_a_warp_at_another_barrier_is_refused():
    with pytest.raises(LaunchError, match="threads of one warp wait at different barriers: 0 at"):
        launch(kernel("half_a_warp"), (1,), (32,), (np.zeros(1, np.int32),))


def test_shared_memory_is_poisoned_for_each_block():
    fixed, dynamic = np.zeros(3, np.float32), np.zeros(3, np.int32)
    launch(kernel("unwritten"), (3,), (1,), (fixed, dynamic), shared_bytes=4)
    assert np.isnan(fixed).all()
    assert (dynamic == -1).all()


def test_dynamic_shared_memory_ends_where_the_launch_said():
    with pytest.raises(LaunchError, match=r"wrote byte 128 of dynamic shared memory; the launch asked for 128 bytes"):
        launch(kernel("reverse"), (1,), (64,), (np.arange(64, dtype=np.int32),), shared_bytes=128)


def test_a_failed_launch_leaves_the_kernel_usable():
    with pytest.raises(LaunchError, match="__trap"):
        launch(kernel("trap"), (1,), (4,), (np.ones(1, np.int32),))
    launch(kernel("trap"), (1,), (4,), (np.zeros(1, np.int32),))


@pytest.mark.usefixtures("seed")
def test_threads_and_blocks_have_three_coordinates_and_arguments_their_types():
    out = np.full(2 * 3 * 4 * 24, -1, np.int32)
    launch(kernel("place"), (2, 3, 4), (4, 3, 2), (out, np.uint8(2), np.float64(0.5)))
    np.testing.assert_array_equal(out.reshape(24, 24), 1000 * np.arange(24)[:, None] + np.arange(24))


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize(("dtype", "name"), [(np.int32, "int"), (np.uint64, "unsigned long long")])
def test_atomics_count(dtype, name):
    x = np.random.default_rng(0).integers(0, 10, 1000, dtype=np.int32)
    counts, highest, ticket = np.zeros(10, dtype), np.zeros(1, dtype), np.zeros(1, np.int32)
    launch(kernel(f"histogram<{name}>"), (16,), (64,), (counts, highest, ticket, x, np.int32(x.size)))
    np.testing.assert_array_equal(counts, np.bincount(x, minlength=10))
    assert (highest[0], ticket[0]) == (x.max(), 7)


@pytest.mark.parametrize(("dtype", "name"), [(np.float16, "__half"), (ml_dtypes.bfloat16, "__nv_bfloat16")])
def test_halves_round_as_numpy_does(dtype, name):
    a, b = (np.random.default_rng(n).standard_normal(256).astype(dtype) for n in (0, 1))
    out = np.zeros(256, dtype)
    launch(kernel(f"arithmetic<{name}>"), (1,), (256,), (out, a, b))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(out, np.where(a < b, a * b + a, a / b - b))


def test_intrinsics():
    out = np.zeros(5, np.int32)
    launch(kernel("intrinsics<int>"), (1,), (1,), (out,))
    np.testing.assert_array_equal(out, [4 + 31 + 4, 3, 1, 6, 4])


@pytest.mark.parametrize(
    ("grid", "block", "shared", "message"),
    [
        ((1,), (1025,), 0, "1025 x 1 x 1 threads"),
        ((1,), (0,), 0, "0 x 1 x 1 threads"),
        ((1, 65536), (1,), 0, "1 x 65536 x 1 blocks"),
        ((0,), (1,), 0, "0 x 1 x 1 blocks"),
        ((1,), (1,), 49153, "49153 bytes of dynamic shared memory"),
    ],
)
def test_what_a_device_cannot_launch_is_refused(grid, block, shared, message):
    with pytest.raises(LaunchError, match=message):
        launch(kernel("trap"), grid, block, (np.zeros(1, np.int32),), shared)


def test_arguments_have_a_width():
    with pytest.raises(TypeError, match="NumPy scalars, got int: 3"):
        launch(kernel("early_return"), (1,), (8,), (np.zeros(8, np.int32), 3))


def test_an_unknown_kernel_is_named():
    with pytest.raises(LookupError, match="row_sum<double, 64>"):
        kernel("row_sum<double, 64>")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x[0] = undeclared;", "undeclared"),
        ("x[0] = __shfl_sync(~0u, 1.0f, 0);", "__shfl_sync"),
        ("__shared__ float a[2], b[2];", "one name each"),
        ("long long big = 0; atomicAdd(&big, 1LL);", "long long int"),
    ],
)
def test_a_source_that_does_not_compile_says_why(body, message):
    with pytest.raises(CompileError, match=message):
        compile_kernels(f'extern "C" __global__ void bad(float* x) {{ {body} }}')


def test_a_missing_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompileError, match=r"no g\+\+"):
        compile_kernels('extern "C" __global__ void fresh(float* x) {}')


def test_compiled_code_is_cached_by_source_options_and_expressions(monkeypatch, tmp_path):
    monkeypatch.setenv("TELEGRAD_SIMT_CACHE", str(tmp_path))
    source = "template <class T> __global__ void one(T* x) { x[0] = VALUE; }"
    first = library(source, ("-DVALUE=1",), ("one<int>",))
    written = first.stat().st_mtime_ns
    assert library(source, ("-DVALUE=1",), ("one<int>",)) == first
    assert first.stat().st_mtime_ns == written
    assert library(source, ("-DVALUE=2",), ("one<int>",)) != first
    assert library(source, ("-DVALUE=1",), ("one<float>",)) != first


def test_kernels_of_one_name_in_two_sources_do_not_mix():
    source = """template <class T> __global__ void one(T* x) { __shared__ T cell[SIZE]; cell[SIZE - 1] = SIZE;
                __syncthreads(); x[0] = cell[SIZE - 1]; }"""
    kernels = [compile_kernels(source, (f"-DSIZE={n}",), ("one<int>",)).function("one<int>") for n in (4, 400)]
    out = np.zeros(2, np.int32)
    for place, function in enumerate(kernels):
        launch(function, (1,), (1,), (out[place:],))
    assert out.tolist() == [4, 400]


def test_kernels_with_c_linkage_are_found():
    source = 'extern "C" __global__ void __launch_bounds__(64) a(int* x) {} extern "C" { __global__ void b() { { } } }'
    assert extern_c_kernels(source + ' __global__ void c() {} // extern "C" __global__ void d();') == {"a", "b"}
