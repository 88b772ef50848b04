// Philox4x32-10 and what is made of its words; philox.py says how, and is the reference. A thread takes a block of
// four words at a time and writes the values that they make.
typedef unsigned int u32;

struct Words { u32 w[4]; };

__device__ inline Words philox(u64 seed, u64 block) {
  u32 c0 = (u32)block, c1 = (u32)(block >> 32), c2 = 0, c3 = 0, k0 = (u32)seed, k1 = (u32)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    u64 first = (u64)c0 * 0xD2511F53u, second = (u64)c2 * 0xCD9E8D57u;
    c0 = (u32)(second >> 32) ^ c1 ^ k0;
    c1 = (u32)second;
    c2 = (u32)(first >> 32) ^ c3 ^ k1;
    c3 = (u32)first;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  Words words = {{c0, c1, c2, c3}};
  return words;
}

__device__ inline u64 word64(const Words& words, int half) { return (u64)words.w[2 * half + 1] << 32 | words.w[2 * half]; }

// How many values a block of words makes, how many bits a unit has, and what it is computed in.
template <class T> struct made { enum { PER = 4, DIGITS = digits<T>::value }; typedef float real; };
template <> struct made<double> { enum { PER = 2, DIGITS = digits<double>::value }; typedef double real; };

template <int DIGITS> __device__ float unit(const Words& words, int place, float) {
  return (float)(words.w[place] >> (32 - DIGITS)) * (1.0f / (float)(1 << DIGITS));
}
template <int DIGITS> __device__ double unit(const Words& words, int place, double) {
  return (double)(word64(words, place) >> 11) * (1.0 / 9007199254740992.0);
}
__device__ inline float open_unit(const Words& words, int place, float) {
  return ((float)(words.w[place] >> 9) + 0.5f) * (1.0f / 8388608.0f);
}
__device__ inline double open_unit(const Words& words, int place, double) {
  return ((double)(word64(words, place) >> 12) + 0.5) * (1.0 / 4503599627370496.0);
}

__device__ inline float minus_log(float x) { return -logf(x); }
__device__ inline double minus_log(double x) { return -log(x); }
__device__ inline float root_of(float x) { return sqrtf(x); }
__device__ inline double root_of(double x) { return sqrt(x); }
__device__ inline void turn(float angle, float* sine, float* cosine) { *sine = sinf(angle); *cosine = cosf(angle); }
__device__ inline void turn(double angle, double* sine, double* cosine) { *sine = sin(angle); *cosine = cos(angle); }

// The blocks of a draw of `count` values, PER to a block, and the values of a block that are wanted.
#define EACH_BLOCK(b, count, PER) EACH(b, ((count) + (PER) - 1) / (PER))
#define EACH_VALUE(i, b, count, PER) for (int i = 0; i < (PER) && (b) * (PER) + i < (count); i++)

template <class T>
__global__ void uniform(u64 seed, u64 block, T* out, i64 count, double low, double high) {
  typedef typename made<T>::real R;
  const int PER = made<T>::PER;
  R from = (R)low, span = (R)high - from;
  EACH_BLOCK(b, count, PER) {
    Words words = philox(seed, block + b);
    EACH_VALUE(i, b, count, PER) {
      T value = narrow<T>(unit<made<T>::DIGITS>(words, i, R()) * span + from);
      // Rounding may reach the excluded end.
      out[b * PER + i] = wide(value) == wide(narrow<T>((R)high)) ? narrow<T>(from) : value;
    }
  }
}

template <class T>
__global__ void normal(u64 seed, u64 block, T* out, i64 count, double mean, double deviation) {
  typedef typename made<T>::real R;
  const int PER = made<T>::PER, DIGITS = made<R>::DIGITS;
  const R tiny = sizeof(R) == 8 ? (R)(1.0 / 9007199254740992.0) : (R)(1.0 / 16777216.0);
  EACH_BLOCK(b, count, PER) {
    Words words = philox(seed, block + b);
    R values[PER];
    for (int i = 0; i < PER; i += 2) {
      R radius = root_of(R(2) * minus_log(unit<DIGITS>(words, i, R()) + tiny)), sine, cosine;
      turn(R(6.28318530717958647693) * unit<DIGITS>(words, i + 1, R()), &sine, &cosine);
      values[i] = radius * cosine;
      values[i + 1] = radius * sine;
    }
    EACH_VALUE(i, b, count, PER) out[b * PER + i] = narrow<T>((R)mean + (R)deviation * values[i]);
  }
}

template <class T>
__global__ void exponential(u64 seed, u64 block, T* out, i64 count, double rate) {
  typedef typename made<T>::real R;
  const int PER = made<T>::PER;
  EACH_BLOCK(b, count, PER) {
    Words words = philox(seed, block + b);
    EACH_VALUE(i, b, count, PER) out[b * PER + i] = narrow<T>(minus_log(open_unit(words, i, R())) / (R)rate);
  }
}

// low + (64 bits modulo span); a span of 0 stands for 2^64.
__global__ void integers(u64 seed, u64 block, i64* out, i64 count, i64 low, u64 span) {
  EACH_BLOCK(b, count, 2) {
    Words words = philox(seed, block + b);
    EACH_VALUE(i, b, count, 2) {
      u64 drawn = word64(words, i);
      out[b * 2 + i] = (i64)((span ? drawn % span : drawn) + (u64)low);
    }
  }
}

__global__ void keys(u64 seed, u64 block, u64* out, i64 count) {
  EACH_BLOCK(b, count, 2) {
    Words words = philox(seed, block + b);
    EACH_VALUE(i, b, count, 2) out[b * 2 + i] = word64(words, i);
  }
}

__device__ inline bool happens(u32 word, double p) { return (double)word < p * 4294967296.0; }

// `yes` with probability p, else 0.
template <class T>
__global__ void bernoulli(u64 seed, u64 block, T* out, i64 count, double p, double yes) {
  typedef typename acc<T>::type A;
  EACH_BLOCK(b, count, 4) {
    Words words = philox(seed, block + b);
    EACH_VALUE(i, b, count, 4) out[b * 4 + i] = narrow<T>(happens(words.w[i], p) ? (A)yes : A(0));
  }
}

template <class T, class P>
__global__ void bernoulli_each(u64 seed, u64 block, T* out, i64 count, const P* chances, i64 check, i64* fault) {
  typedef typename acc<T>::type A;
  EACH_BLOCK(b, count, 4) {
    Words words = philox(seed, block + b);
    EACH_VALUE(i, b, count, 4) {
      double p = (double)wide(chances[b * 4 + i]);
      if (!(p >= 0 && p <= 1)) report(fault, check, b * 4 + i);
      out[b * 4 + i] = narrow<T>(happens(words.w[i], p) ? A(1) : A(0));
    }
  }
}
