// Counting.

// As NumPy counts: by rounding down, then moved where the edge says otherwise. The last interval is closed.
__global__ void histogram(const double* values, const double* edges, i64* counts, i64 count, i64 bins) {
  double low = edges[0], high = edges[bins];
  EACH(i, count) {
    double value = values[i];
    if (!(value >= low && value <= high)) continue;
    i64 bin = (i64)((value - low) / (high - low) * bins);
    bin = bin >= bins ? bins - 1 : bin;
    if (value < edges[bin]) bin--;
    else if (bin < bins - 1 && value >= edges[bin + 1]) bin++;
    atomicAdd((u64*)counts + bin, 1ULL);
  }
}
