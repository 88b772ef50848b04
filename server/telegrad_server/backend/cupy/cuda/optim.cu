// An optimizer's step on many parameters at once, in place: SGD and Adam with PyTorch's formulas in PyTorch's order.
//
// Nothing is written while `fault[0]` is set: a wrong index must not change the model.

// Up to TENSORS_PER_LAUNCH parameters with their gradients and states. Blocks `first_block[t]` and on work on parameter t.
template <class T> struct Table {
  T* p[TENSORS_PER_LAUNCH];
  const T* g[TENSORS_PER_LAUNCH];
  T* state[3][TENSORS_PER_LAUNCH];
  float* count[TENSORS_PER_LAUNCH];
  i64 size[TENSORS_PER_LAUNCH], first_block[TENSORS_PER_LAUNCH];
  i64 fresh;  // a bit for each parameter whose state has just been made
};

// The parameter that a block works on.
template <class T> __device__ __forceinline__ int tensor_of(const Table<T>& table, i64 tensors, i64 block) {
  int low = 0, high = (int)tensors - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table.first_block[middle] <= block) low = middle;
    else high = middle - 1;
  }
  return low;
}

#define EACH_ELEMENT(i, table, t, block)                                                                     \
  for (i64 i = (block - (table).first_block[t]) * ELEMENTS_PER_BLOCK + threadIdx.x,                                    \
           end_ = i - threadIdx.x + ELEMENTS_PER_BLOCK < (table).size[t] ? i - threadIdx.x + ELEMENTS_PER_BLOCK : (table).size[t]; \
       i < end_; i += blockDim.x)

template <class T>
__global__ void sgd(Table<T> table, i64 tensors, i64 blocks, double lr, double momentum, double dampening,
                    double weight_decay, bool nesterov, bool maximize, const i64* fault) {
  typedef typename acc<T>::type A;
  if (fault[0]) return;
  const A rate = (A)-lr, keep = (A)momentum, share = (A)(1 - dampening), decay = (A)weight_decay;
  for (i64 block = blockIdx.x; block < blocks; block += gridDim.x) {
    const int t = tensor_of(table, tensors, block);
    T *p = table.p[t], *buffer = table.state[0][t];
    const bool first = (table.fresh >> t) & 1;
    EACH_ELEMENT(i, table, t, block) {
      const A own = wide(p[i]);
      A step = maximize ? -wide(table.g[t][i]) : wide(table.g[t][i]);
      if (weight_decay != 0) step = fma(own, decay, step);
      if (momentum != 0) {
        const A held = first ? step : (A)fma(step, share, wide(buffer[i]) * keep);
        buffer[i] = narrow<T>(held);
        step = nesterov ? (A)fma(held, keep, step) : held;
      }
      const A moved = fma(step, rate, own);
      p[i] = narrow<T>(moved);
    }
  }
}

// Counts a step of each parameter, and leaves what it makes of the rate and of the second moments in `scales (n, 2)`.
template <class T>
__global__ void adam_scales(Table<T> table, i64 tensors, double lr, double b1, double b2, double* scales,
                            const i64* fault) {
  if (fault[0]) return;
  EACH(t, tensors) {
    const double step = (double)(table.count[t][0] += 1);
    scales[2 * t] = -lr / (1 - pow(b1, step));
    scales[2 * t + 1] = sqrt(1 - pow(b2, step));
  }
}

template <class T>
__global__ void adam(Table<T> table, i64 tensors, i64 blocks, const double* scales, double shrink_, double b1,
                     double b2, double eps_, double decay_, bool amsgrad, bool maximize, const i64* fault) {
  typedef typename acc<T>::type A;
  if (fault[0]) return;
  const A w1 = (A)(1 - b1), keep = (A)b2, w2 = (A)(1 - b2), shrink = (A)shrink_, eps = (A)eps_, decay = (A)decay_;
  for (i64 block = blockIdx.x; block < blocks; block += gridDim.x) {
    const int t = tensor_of(table, tensors, block);
    T *p = table.p[t], *m = table.state[0][t], *v = table.state[1][t], *most = table.state[2][t];
    const A rate = (A)scales[2 * t], root = (A)scales[2 * t + 1];
    EACH_ELEMENT(i, table, t, block) {
      const A own = wide(p[i]);
      A step = maximize ? -wide(table.g[t][i]) : wide(table.g[t][i]);
      if (decay != 0) step = fma(own, decay, step);
      const A apart = step - wide(m[i]);
      const A first = w1 < (A)0.5 ? (A)fma(w1, apart, wide(m[i])) : step - apart * (1 - w1);
      A second = wide(v[i]) * keep + w2 * step * step;
      m[i] = narrow<T>(first);
      v[i] = narrow<T>(second);
      if (amsgrad) {
        const A before = wide(most[i]);
        if (before > second || before != before) second = before;
        most[i] = narrow<T>(second);
      }
      const A moved = own * shrink + rate * first / (sqrt(second) / root + eps);
      p[i] = narrow<T>(moved);
    }
  }
}
