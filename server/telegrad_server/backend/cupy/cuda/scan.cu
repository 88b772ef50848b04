// Running folds along an axis.

// A running fold of lines of n elements, `inner` apart: a block takes a line, a tile of a thread per element at a time.
// Within a tile, each thread joins what lies 1, 2, 4, ... places before it; the tile's last result goes on to the next.
// Op: State; load(at, place); join(earlier, later); store(at, state).
template <class Op> __device__ void scan_lines(const Op& op, i64 lines, i64 n, i64 inner, bool reverse) {
  typedef typename Op::State State;
  __shared__ State states[THREADS_PER_BLOCK];
  int me = threadIdx.x, width = blockDim.x;
  for (i64 line = blockIdx.x; line < lines; line += gridDim.x) {
    i64 base = line / inner * n * inner + line % inner;
    State carry;
    for (i64 start = 0; start < n; start += width) {
      i64 place = start + me;
      bool live = place < n;
      i64 at = base + (reverse ? n - 1 - place : place) * inner;
      State mine;
      if (live) states[me] = mine = op.load(at, place);
      __syncthreads();
      for (int reach = 1; reach < width; reach *= 2) {
        State earlier;
        bool joins = live && me >= reach;
        if (joins) earlier = states[me - reach];
        __syncthreads();
        if (joins) states[me] = mine = op.join(earlier, mine);
        __syncthreads();
      }
      if (live && start > 0) mine = op.join(carry, mine);
      if (live) op.store(at, mine);
      if (me == width - 1) states[me] = mine;
      __syncthreads();
      carry = states[width - 1];
      __syncthreads();
    }
  }
}

template <class T> struct Line {
  typedef typename acc<T>::type A;
  const T* x;
  T* out;
};

template <class T> struct Sum : Line<T> {
  typedef typename acc<T>::type State;
  __device__ State load(i64 at, i64) const { return wide(this->x[at]); }
  __device__ State join(State earlier, State later) const { return earlier + later; }
  __device__ void store(i64 at, State state) const { this->out[at] = narrow<T>(state); }
};

template <class T> struct Product : Sum<T> {
  typedef typename acc<T>::type State;
  __device__ State join(State earlier, State later) const { return earlier * later; }
};

template <class T> struct LogSumExp : Sum<T> {
  typedef typename acc<T>::type State;
  __device__ State join(State a, State b) const {
    if (a == b) return a + State(0.69314718055994530942);
    State high = a > b ? a : b, distance = a > b ? b - a : a - b;
    if (!(distance == distance)) return a + b;
    return high + State(log1p(exp((double)distance)));
  }
};

template <class A> struct Placed { A value; i64 place; };

template <class T> struct Extremum : Line<T> {
  typedef typename acc<T>::type A;
  typedef Placed<A> State;
  i64* places;
  bool largest;
  __device__ State load(i64 at, i64 place) const {
    State state = {wide(this->x[at]), place};
    return state;
  }
  __device__ State join(State earlier, State later) const {
    bool taken = largest ? later.value >= earlier.value : later.value <= earlier.value;
    return taken || later.value != later.value ? later : earlier;
  }
  __device__ void store(i64 at, State state) const {
    this->out[at] = narrow<T>(state.value);
    places[at] = state.place;
  }
};

// y -> value + factor * y; in double, for products of factors to stay finite as long as the results do.
struct Affine { double value, factor; };

template <class T> struct Recurrence : Line<T> {
  typedef Affine State;
  const T* factor;
  __device__ State load(i64 at, i64) const {
    State state = {(double)wide(this->x[at]), (double)wide(factor[at])};
    return state;
  }
  __device__ State join(State earlier, State later) const {
    State state = {later.value + later.factor * earlier.value, later.factor * earlier.factor};
    return state;
  }
  __device__ void store(i64 at, State state) const {
    this->out[at] = narrow<T>(static_cast<typename acc<T>::type>(state.value));
  }
};

template <template <class> class Op, class T> __device__ Op<T> on(const T* x, T* out) {
  Op<T> op;
  op.x = x;
  op.out = out;
  return op;
}

template <class T> __global__ void cumsum(const T* x, T* out, i64 lines, i64 n, i64 inner) {
  scan_lines(on<Sum>(x, out), lines, n, inner, false);
}

template <class T> __global__ void cumprod(const T* x, T* out, i64 lines, i64 n, i64 inner) {
  scan_lines(on<Product>(x, out), lines, n, inner, false);
}

template <class T> __global__ void logcumsumexp(const T* x, T* out, i64 lines, i64 n, i64 inner) {
  scan_lines(on<LogSumExp>(x, out), lines, n, inner, false);
}

template <class T>
__global__ void running_extremum(const T* x, T* out, i64 lines, i64 n, i64 inner, i64* places, bool largest) {
  Extremum<T> op = on<Extremum>(x, out);
  op.places = places;
  op.largest = largest;
  scan_lines(op, lines, n, inner, false);
}

template <class T>
__global__ void recurrence(const T* x, T* out, i64 lines, i64 n, i64 inner, const T* factor, bool reverse) {
  Recurrence<T> op = on<Recurrence>(x, out);
  op.factor = factor;
  scan_lines(op, lines, n, inner, reverse);
}
