// Elementary functions that CuPy lacks; contiguous arrays of one floating dtype.
#include "functions.cuh"

template <class T> __global__ void error_function(const T* x, T* out, i64 count) {
  EACH(i, count) out[i] = narrow<T>(erf_of(wide(x[i])));
}
