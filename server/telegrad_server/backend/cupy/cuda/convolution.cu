// The patches that a convolution meets, as columns of a matrix, and columns added up where the patches lay.
//
// Axes are depth, height and width; where a convolution has fewer, the first ones have size 1.
struct Geometry {
  i64 size[3], window[3], stride[3], padding[3], dilation[3], positions[3];
};

struct Coordinates {
  unsigned at[3];
};

// The coordinates of element i of a box. A plane has less than 2^32 elements, and 32-bit division is far cheaper.
__device__ __forceinline__ Coordinates coordinates(unsigned i, const i64* sizes) {
  const unsigned width = (unsigned)sizes[2], height = (unsigned)sizes[1];
  return {{i / width / height, i / width % height, i % width}};
}

__device__ __forceinline__ i64 volume(const i64* sizes) { return sizes[0] * sizes[1] * sizes[2]; }

// Columns of `x (images, channels, size)`: row `(channel, tap)` of image n is at `n * image_step + row * row_step`.
template <class T>
__global__ void im2col(const T* x, T* columns, i64 images, i64 channels, i64 image_step, i64 row_step, Geometry of) {
  const i64 taps = volume(of.window), count = volume(of.positions), plane = volume(of.size);
  EACH(i, images * channels * taps * count) {
    const i64 row = i / count, image = row / (channels * taps), own = row % (channels * taps);
    const Coordinates to = coordinates((unsigned)(i % count), of.positions), tap = coordinates((unsigned)(own % taps), of.window);
    i64 from = 0;
    bool inside = true;
    for (int axis = 0; axis < 3; axis++) {
      const i64 at = to.at[axis] * of.stride[axis] - of.padding[axis] + tap.at[axis] * of.dilation[axis];
      inside = inside && 0 <= at && at < of.size[axis];
      from = from * of.size[axis] + at;
    }
    const T value = inside ? x[(image * channels + own / taps) * plane + from] : T(0);
    columns[image * image_step + own * row_step + i % count] = value;
  }
}

// The position whose window has `tap` at coordinate `at` of an axis, -1 where there is none.
__device__ __forceinline__ i64 position(const Geometry& of, int axis, i64 at, unsigned tap) {
  const i64 start = at + of.padding[axis] - tap * of.dilation[axis], found = start / of.stride[axis];
  return start >= 0 && start % of.stride[axis] == 0 && found < of.positions[axis] ? found : -1;
}

// Each element of `x (images, channels, size)` gathers its sum from the columns, so that no two threads meet.
template <class T>
__global__ void col2im(const T* columns, T* x, i64 images, i64 channels, Geometry of) {
  typedef typename acc<T>::type A;
  const i64 taps = volume(of.window), count = volume(of.positions), plane = volume(of.size);
  EACH(i, images * channels * plane) {
    const Coordinates to = coordinates((unsigned)(i % plane), of.size);
    const T* source = columns + i / plane * taps * count;
    A total = 0;
    for (unsigned a = 0; a < of.window[0]; a++) {
      const i64 z = position(of, 0, to.at[0], a);
      for (unsigned b = 0; z >= 0 && b < of.window[1]; b++) {
        const i64 y = position(of, 1, to.at[1], b);
        for (unsigned c = 0; y >= 0 && c < of.window[2]; c++) {
          const i64 q = position(of, 2, to.at[2], c), tap = (a * of.window[1] + b) * of.window[2] + c;
          if (q >= 0) total += wide(source[tap * count + (z * of.positions[1] + y) * of.positions[2] + q]);
        }
      }
    }
    x[i] = narrow<T>(total);
  }
}
