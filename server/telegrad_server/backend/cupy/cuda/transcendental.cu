// Elementary functions that CuPy lacks, or lacks for half precision; contiguous arrays of one floating dtype.
#include "functions.cuh"

template <class T> __global__ void reciprocal_root(const T* x, T* out, i64 count) {
  typedef typename acc<T>::type A;
  EACH(i, count) out[i] = narrow<T>(A(1) / root(wide(x[i])));
}

template <class T> __global__ void error_function(const T* x, T* out, i64 count) {
  EACH(i, count) out[i] = narrow<T>(erf_of(wide(x[i])));
}
