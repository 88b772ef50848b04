// Activations of contiguous arrays of one floating dtype, and their gradients.
#include "functions.cuh"

template <class T> __global__ void sigmoid(const T* x, T* out, i64 count) {
  typedef typename acc<T>::type A;
  EACH(i, count) out[i] = narrow<T>(A(1) / (A(1) + exponential(-wide(x[i]))));
}

template <class A> __device__ A gelu_tanh_inner(A x) {
  return A(0.79788456080286535588) * (x + A(0.044715) * x * x * x);
}

template <class T> __global__ void gelu(const T* x, T* out, i64 count, bool by_tanh) {
  typedef typename acc<T>::type A;
  EACH(i, count) {
    A v = wide(x[i]);
    A share = by_tanh ? tanh_of(gelu_tanh_inner(v)) : erf_of(v * A(0.70710678118654752440));
    out[i] = narrow<T>(A(0.5) * v * (A(1) + share));
  }
}

template <class A> __device__ A gelu_slope(A x) {
  A density = exponential(A(-0.5) * x * x) * A(0.39894228040143267794);
  return A(0.5) * (A(1) + erf_of(x * A(0.70710678118654752440))) + x * density;
}

template <class A> __device__ A gelu_tanh_slope(A x) {
  A t = tanh_of(gelu_tanh_inner(x));
  A bend = A(0.79788456080286535588) * (A(1) + A(3 * 0.044715) * x * x);
  return A(0.5) * (A(1) + t) + A(0.5) * x * (A(1) - t * t) * bend;
}

template <class T, class G> __global__ void gelu_backward(const G* grad, const T* x, T* out, i64 count, bool by_tanh) {
  typedef typename acc<T>::type A;
  EACH(i, count) {
    A v = wide(x[i]);
    out[i] = narrow<T>(A(wide(grad[i])) * (by_tanh ? gelu_tanh_slope(v) : gelu_slope(v)));
  }
}
