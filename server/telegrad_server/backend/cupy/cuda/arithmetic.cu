// Arithmetic that CuPy lacks; contiguous arrays of one floating dtype.
#include "functions.cuh"

template <class T> __global__ void reciprocal_root(const T* x, T* out, i64 count) {
  typedef typename acc<T>::type A;
  EACH(i, count) out[i] = narrow<T>(A(1) / root(wide(x[i])));
}
