// Gathering and scattering by indices that were checked, or clamped where the check failed.

// An index counted from the start, moved inside [0, size).
__device__ inline i64 inside(i64 index, i64 size) {
  if (index < 0) index += size;
  return index < 0 ? 0 : index >= size ? size - 1 : index;
}

// Reports what lies outside [low, high), and puts 0 in its place.
template <class I>
__global__ void check_index(const I* index, i64* followed, i64 count, i64 low, i64 high, i64 check, i64* fault) {
  EACH(i, count) {
    i64 value = index[i];
    bool good = value >= low && value < high;
    if (!good) report(fault, check, value);
    followed[i] = good ? value : 0;
  }
}

// out[o, p, k] = x[o, index[o, p, k], k]
template <class T, class I>
__global__ void gather(const T* x, const I* index, T* out, i64 outer, i64 n, i64 inner, i64 size) {
  EACH(i, outer * n * inner) {
    i64 before = i / (n * inner), within = i % inner;
    out[i] = x[(before * size + inside(index[i], size)) * inner + within];
  }
}

// The flat places that an index (outer, n, inner) names along the middle axis of an array (outer, size, inner).
template <class I>
__global__ void column_slots(const I* index, i64* slots, i64 outer, i64 n, i64 inner, i64 size) {
  EACH(i, outer * n * inner) {
    slots[i] = (i / (n * inner) * size + inside(index[i], size)) * inner + i % inner;
  }
}

template <class A> __device__ bool is_nan(A value) { return value != value; }

enum Fold { SET, ADD, MULTIPLY, MAXIMUM, MINIMUM };

template <int HOW, class A> __device__ A folded(A held, A value) {
  if (HOW == SET) return value;
  if (HOW == ADD) return held + value;
  if (HOW == MULTIPLY) return held * value;
  if (is_nan(held) || is_nan(value)) return held + value;
  if (HOW == MAXIMUM) return held < value ? value : held;
  return value < held ? value : held;
}

// Folds values (outer, n, inner) into out (outer, size, inner) at slots (n), which `order` sorts. The thread that
// meets the first value of a slot, in that order, takes all of them.
template <class T, int HOW>
__global__ void fold(T* out, const i64* slots, const i64* order, const T* values, i64 outer, i64 size, i64 n,
                     i64 inner) {
  EACH(i, outer * n * inner) {
    i64 within = i % inner, at = i / inner % n, before = i / inner / n;
    i64 slot = slots[order[at]];
    if (at > 0 && slots[order[at - 1]] == slot) continue;
    T* target = out + (before * size + slot) * inner + within;
    typename acc<T>::type held = wide(*target);
    for (; at < n && slots[order[at]] == slot; at++) {
      held = folded<HOW>(held, wide(values[(before * n + order[at]) * inner + within]));
    }
    *target = narrow<T>(held);
  }
}
