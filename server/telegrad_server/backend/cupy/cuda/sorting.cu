// The most frequent values of sorted rows.

// The last place of the longest run in each sorted row, the first of several; `order` says where it came from.
template <class T> __global__ void mode(const T* sorted, const i64* order, i64* out, i64 rows, i64 n) {
  EACH(row, rows) {
    const T* values = sorted + row * n;
    i64 best = 0, longest = 0, run = 0;
    for (i64 place = 0; place < n; place++) {
      run = place > 0 && wide(values[place]) == wide(values[place - 1]) ? run + 1 : 1;
      if (run > longest) { longest = run; best = place; }
    }
    out[row] = order[row * n + best];
  }
}
