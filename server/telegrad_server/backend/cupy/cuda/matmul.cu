// Products of matrices of integers, which cuBLAS has none for. Halves and larger floats go to cuBLAS.

// `out[b] = a[b] @ c[b]`, all contiguous: `(batch, m, k)`, `(batch, k, n)`, `(batch, m, n)`.
template <class T>
__global__ void integer_product(const T* a, const T* c, T* out, i64 count, i64 m, i64 n, i64 k) {
  EACH(i, count) {
    const T* row = a + i / n * k;
    const T* column = c + i / (m * n) * k * n + i % n;
    i64 total = 0;
    for (i64 j = 0; j < k; j++) total += wide(row[j]) * wide(column[j * n]);
    out[i] = static_cast<T>(total);
  }
}
