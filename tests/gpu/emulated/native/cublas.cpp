// The part of cuBLAS that telegrad and CuPy's matmul call, on the CPU: every argument is checked before it is used.
//
// A refused call says why on stderr and returns a status, which CuPy raises as CUBLASError.
#include <algorithm>
#include <complex>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

enum Status { kSuccess = 0, kInvalidValue = 7, kNotSupported = 15 };
enum Type { kFloat32 = 0, kFloat64 = 1, kFloat16 = 2, kComplex64 = 4, kComplex128 = 5, kBFloat16 = 14 };
enum Operation { kNone = 0, kTranspose = 1, kConjugate = 2 };

using Complex64 = std::complex<float>;
using Complex128 = std::complex<double>;
typedef const void* (*Holder)(const void* start, size_t size);

Holder holder;          // finds the allocation of a range: `holder` of memory.c
int device_scalars;     // the pointer mode: alpha and beta lie on the device
int math_mode;
void* current_stream;

struct BFloat16 {
  uint16_t bits;
  operator float() const {
    const uint32_t word = uint32_t{bits} << 16;
    float result;
    memcpy(&result, &word, sizeof result);
    return result;
  }
  BFloat16(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    bits = value != value ? 0x7FFF : uint16_t((word + 0x7FFF + (word >> 16 & 1)) >> 16);
  }
};

// Checks ---------------------------------------------------------------------------------------------------------

__attribute__((format(printf, 1, 2))) Status refuse(const char* format, ...) {
  va_list words;
  va_start(words, format);
  fputs("emulated cuBLAS: ", stderr);
  vfprintf(stderr, format, words);
  fputc('\n', stderr);
  va_end(words);
  return kInvalidValue;
}

size_t size_of(int type) {
  switch (type) {
    case kFloat16: case kBFloat16: return 2;
    case kFloat32: return 4;
    case kFloat64: case kComplex64: return 8;
    case kComplex128: return 16;
  }
  return 0;
}

// A column-major matrix, or `batch` of them `step` elements apart.
struct Matrix {
  const char* name;
  const void* data;
  int type, rows, columns, leading;
  long long step = 0;
  int batch = 1;

  const char* at(int item) const { return static_cast<const char*>(data) + item * step * int64_t(size_of(type)); }

  Status check() const {
    if (!size_of(type)) return refuse("%s has the unknown type %d", name, type);
    if (leading < std::max(1, rows)) return refuse("ld%s is %d, the matrix has %d rows", name, leading, rows);
    if (step < 0) return refuse("the stride of %s is %lld", name, step);
    if (!rows || !columns) return kSuccess;
    const size_t elements = size_t(columns - 1) * leading + rows;
    for (int item = 0; item < batch; item += std::max(1, batch - 1))  // the first and the last
      if (!holder(at(item), elements * size_of(type)))
        return refuse("%s, %d x %d with leading dimension %d, item %d of %d: not wholly in one allocation", name, rows,
                      columns, leading, item, batch);
    return kSuccess;
  }
};

bool known_computation(int compute, int a, int b, int c) {
  if (a != b) return false;
  switch (compute) {
    case 64: case 65: return a == kFloat16 && c == kFloat16;
    case 68: case 69: case 74: case 75: case 77:
      return (a == c && (a == kFloat32 || a == kFloat16 || a == kBFloat16 || a == kComplex64)) ||
             (c == kFloat32 && (a == kFloat16 || a == kBFloat16));
    case 70: case 71: return a == c && (a == kFloat64 || a == kComplex128);
  }
  return false;
}

// Products -------------------------------------------------------------------------------------------------------

template <class T> struct Sum { using type = T; };
template <> struct Sum<_Float16> { using type = float; };
template <> struct Sum<BFloat16> { using type = float; };

template <class T> T conjugate(T value) { return value; }
template <class T> std::complex<T> conjugate(std::complex<T> value) { return std::conj(value); }

template <class T, class S>
S read(const Matrix& m, int item, int row, int column, bool conjugated) {
  const S value = S(reinterpret_cast<const T*>(m.at(item))[row + size_t(column) * m.leading]);
  return conjugated ? conjugate(value) : value;
}

// op(matrix), column by column, each padded to a multiple of `pad` rows.
template <class T, class S>
std::vector<S> pack(const Matrix& m, int item, int operation, int rows, int columns, int pad) {
  const int height = (rows + pad - 1) / pad * pad;
  std::vector<S> packed(size_t(height) * columns);
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++) {
      packed[size_t(column) * height + row] = operation == kNone
                                                  ? read<T, S>(m, item, row, column, false)
                                                  : read<T, S>(m, item, column, row, operation == kConjugate);
    }
  return packed;
}

constexpr int kTile = 16, kColumns = 4;  // of the result, kept in registers

template <class S>
void multiply_tile(const S* a, size_t height, const S* const b[kColumns], int k, S sums[kColumns][kTile]) {
  S local[kColumns][kTile] = {};
  for (int l = 0; l < k; l++)
    for (int j = 0; j < kColumns; j++)
      for (int i = 0; i < kTile; i++) local[j][i] += a[l * height + i] * b[j][l];
  memcpy(static_cast<void*>(sums), local, sizeof local);
}

template <class S>
struct Scale {
  S alpha, beta;
};

template <class T, class C>
void multiply(const Matrix& a, int ta, const Matrix& b, int tb, const Matrix& c, int k, int item,
              Scale<typename Sum<C>::type> scale) {
  using S = typename Sum<C>::type;
  const int m = c.rows, n = c.columns;
  const std::vector<S> left = pack<T, S>(a, item, ta, m, k, kTile);
  const std::vector<S> right = pack<T, S>(b, item, tb, k, n, 1);
  C* out = reinterpret_cast<C*>(const_cast<char*>(c.at(item)));
  const size_t height = (m + kTile - 1) / kTile * kTile;
  for (int j = 0; j < n; j += kColumns) {
    const S* columns[kColumns];
    for (int x = 0; x < kColumns; x++) columns[x] = right.data() + size_t(std::min(j + x, n - 1)) * k;
    for (int i = 0; i < m; i += kTile) {
      S sums[kColumns][kTile];
      multiply_tile(left.data() + i, height, columns, k, sums);
      for (int x = 0; x < std::min(kColumns, n - j); x++)
        for (int y = 0; y < std::min(kTile, m - i); y++) {
          C& place = out[i + y + size_t(j + x) * c.leading];
          const S old = scale.beta == S(0) ? S(0) : scale.beta * S(place);  // beta 0: what was there is not read
          place = C(scale.alpha * sums[x][y] + old);
        }
    }
  }
}

template <class T, class C, class Given>
void multiply_batch(const Matrix& a, int ta, const Matrix& b, int tb, const Matrix& c, int k, const void* alpha,
                    const void* beta) {
  using S = typename Sum<C>::type;
  const Scale<S> scale{S(*static_cast<const Given*>(alpha)), S(*static_cast<const Given*>(beta))};
  for (int item = 0; item < c.batch; item++) multiply<T, C>(a, ta, b, tb, c, k, item, scale);
}

Status check_product(const Matrix& a, int ta, const Matrix& b, int tb, const Matrix& c, int k, const void* alpha,
                     const void* beta) {
  if (ta < 0 || ta > 2 || tb < 0 || tb > 2) return refuse("unknown operations %d, %d", ta, tb);
  if (c.rows < 0 || c.columns < 0 || k < 0 || c.batch < 0)
    return refuse("negative sizes: m %d, n %d, k %d, batch %d", c.rows, c.columns, k, c.batch);
  if (!alpha || !beta) return refuse("alpha or beta is null");
  if (device_scalars != bool(holder(alpha, 1)))
    return refuse("alpha lies %s, the pointer mode says otherwise", device_scalars ? "on the host" : "on the device");
  for (const Matrix* matrix : {&a, &b, &c})
    if (Status status = matrix->check()) return status;
  return kSuccess;
}

Status gemm(int ta, int tb, int m, int n, int k, const void* alpha, Matrix a, Matrix b, const void* beta, Matrix c,
            int compute) {
  a.name = "a", b.name = "b", c.name = "c";
  a.rows = ta == kNone ? m : k, a.columns = ta == kNone ? k : m;
  b.rows = tb == kNone ? k : n, b.columns = tb == kNone ? n : k;
  c.rows = m, c.columns = n;
  if (!known_computation(compute, a.type, b.type, c.type))
    return refuse("no computation %d of types %d, %d to %d", compute, a.type, b.type, c.type);
  if (Status status = check_product(a, ta, b, tb, c, k, alpha, beta)) return status;
  const auto run = [&](auto multiplication) { multiplication(a, ta, b, tb, c, k, alpha, beta); };
  switch (a.type) {
    case kFloat32: run(multiply_batch<float, float, float>); break;
    case kFloat64: run(multiply_batch<double, double, double>); break;
    case kComplex64: run(multiply_batch<Complex64, Complex64, Complex64>); break;
    case kComplex128: run(multiply_batch<Complex128, Complex128, Complex128>); break;
    case kBFloat16:
      c.type == kFloat32 ? run(multiply_batch<BFloat16, float, float>) : run(multiply_batch<BFloat16, BFloat16, float>);
      break;
    default:
      if (compute < 68) run(multiply_batch<_Float16, _Float16, _Float16>);
      else if (c.type == kFloat32) run(multiply_batch<_Float16, float, float>);
      else run(multiply_batch<_Float16, _Float16, float>);
  }
  return kSuccess;
}

Matrix matrix(const void* data, int type, int leading, long long step = 0, int batch = 1) {
  return {"", data, type, 0, 0, leading, step, batch};
}

// y = alpha op(a) x + beta y, as a product with a matrix of one column.
template <class T>
Status gemv(int type, int compute, int operation, int m, int n, const T* alpha, const T* a, int lda, const T* x,
            int step_x, const T* beta, T* y, int step_y) {
  if (step_x != 1 || step_y != 1) return refuse("gemv with steps %d, %d is not emulated", step_x, step_y), kNotSupported;
  const int rows = operation == kNone ? m : n, columns = operation == kNone ? n : m;
  return gemm(operation, kNone, rows, 1, columns, alpha, matrix(a, type, lda), matrix(x, type, std::max(1, columns)),
              beta, matrix(y, type, std::max(1, rows)), compute);
}

template <class T>
Status gemm_pointers(int type, int compute, int ta, int tb, int m, int n, int k, const T* alpha, const T* const* a,
                     int lda, const T* const* b, int ldb, const T* beta, T* const* c, int ldc, int batch) {
  for (const void* list : {(const void*)a, (const void*)b, (const void*)c})
    if (batch && !holder(list, batch * sizeof(void*))) return refuse("a list of matrices is not on the device");
  for (int i = 0; i < batch; i++)
    if (Status status = gemm(ta, tb, m, n, k, alpha, matrix(a[i], type, lda), matrix(b[i], type, ldb), beta,
                             matrix(c[i], type, ldc), compute))
      return status;
  return kSuccess;
}

// c = alpha op(a) + beta op(b)
template <class T>
Status geam(int type, int ta, int tb, int m, int n, const T* alpha, const T* a, int lda, const T* beta, const T* b,
            int ldb, T* c, int ldc) {
  const Matrix left{"a", a, type, ta ? n : m, ta ? m : n, lda}, right{"b", b, type, tb ? n : m, tb ? m : n, ldb};
  const Matrix out{"c", c, type, m, n, ldc};
  for (const Matrix* each : {&left, &right, &out})
    if (Status status = each->check()) return status;
  const auto term = [](T scale, const Matrix& from, int op, int i, int j) {
    if (scale == T(0)) return T(0);
    return scale * (op ? read<T, T>(from, 0, j, i, op == kConjugate) : read<T, T>(from, 0, i, j, false));
  };
  for (int j = 0; j < n; j++)
    for (int i = 0; i < m; i++) c[i + size_t(j) * ldc] = term(*alpha, left, ta, i, j) + term(*beta, right, tb, i, j);
  return kSuccess;
}

}  // namespace

extern "C" {

void emulated_cublas_start(Holder found) { holder = found; }

int cublasCreate_v2(void** handle) { return *handle = &math_mode, kSuccess; }
int cublasDestroy_v2(void*) { return kSuccess; }
int cublasGetVersion_v2(void*, int* version) { return *version = 130000, kSuccess; }
int cublasSetStream_v2(void*, void* stream) { return current_stream = stream, kSuccess; }
int cublasGetStream_v2(void*, void** stream) { return *stream = current_stream, kSuccess; }
int cublasSetMathMode(void*, int mode) { return math_mode = mode, kSuccess; }
int cublasGetMathMode(void*, int* mode) { return *mode = math_mode, kSuccess; }
int cublasSetPointerMode_v2(void*, int mode) { return device_scalars = mode, kSuccess; }
int cublasGetPointerMode_v2(void*, int* mode) { return *mode = device_scalars, kSuccess; }

#define FAMILY(L, T, type, compute)                                                                                   \
  int cublas##L##gemm_v2(void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda, const T* b, \
                         int ldb, const T* beta, T* c, int ldc) {                                                     \
    return gemm(ta, tb, m, n, k, alpha, matrix(a, type, lda), matrix(b, type, ldb), beta, matrix(c, type, ldc),       \
                compute);                                                                                             \
  }                                                                                                                   \
  int cublas##L##gemmStridedBatched(void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda,  \
                                    long long sa, const T* b, int ldb, long long sb, const T* beta, T* c, int ldc,    \
                                    long long sc, int batch) {                                                        \
    return gemm(ta, tb, m, n, k, alpha, matrix(a, type, lda, sa, batch), matrix(b, type, ldb, sb, batch), beta,       \
                matrix(c, type, ldc, sc, batch), compute);                                                            \
  }                                                                                                                   \
  int cublas##L##gemmBatched(void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* const* a, int lda,  \
                             const T* const* b, int ldb, const T* beta, T* const* c, int ldc, int batch) {            \
    return gemm_pointers(type, compute, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, batch);                 \
  }                                                                                                                   \
  int cublas##L##gemv_v2(void*, int op, int m, int n, const T* alpha, const T* a, int lda, const T* x, int step_x,    \
                         const T* beta, T* y, int step_y) {                                                           \
    return gemv(type, compute, op, m, n, alpha, a, lda, x, step_x, beta, y, step_y);                                  \
  }                                                                                                                   \
  int cublas##L##geam(void*, int ta, int tb, int m, int n, const T* alpha, const T* a, int lda, const T* beta,        \
                      const T* b, int ldb, T* c, int ldc) {                                                           \
    return geam(type, ta, tb, m, n, alpha, a, lda, beta, b, ldb, c, ldc);                                             \
  }
FAMILY(S, float, kFloat32, 68)
FAMILY(D, double, kFloat64, 70)
FAMILY(C, Complex64, kComplex64, 68)
FAMILY(Z, Complex128, kComplex128, 70)

int cublasGemmEx(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int type_a, int lda,
                 const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc, int compute, int) {
  return gemm(ta, tb, m, n, k, alpha, matrix(a, type_a, lda), matrix(b, type_b, ldb), beta, matrix(c, type_c, ldc),
              compute);
}

int cublasSgemmEx(void*, int ta, int tb, int m, int n, int k, const float* alpha, const void* a, int type_a, int lda,
                  const void* b, int type_b, int ldb, const float* beta, void* c, int type_c, int ldc) {
  return gemm(ta, tb, m, n, k, alpha, matrix(a, type_a, lda), matrix(b, type_b, ldb), beta, matrix(c, type_c, ldc), 68);
}

int cublasGemmStridedBatchedEx(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int type_a,
                               int lda, long long sa, const void* b, int type_b, int ldb, long long sb,
                               const void* beta, void* c, int type_c, int ldc, long long sc, int batch, int compute,
                               int) {
  return gemm(ta, tb, m, n, k, alpha, matrix(a, type_a, lda, sa, batch), matrix(b, type_b, ldb, sb, batch), beta,
              matrix(c, type_c, ldc, sc, batch), compute);
}

}  // extern "C"
