// CUDA for a host compiler: a kernel becomes loops over blocks and threads, on one core.
//
// A thread that comes to a barrier is set aside on its own stack (a fiber) until every thread of its block that has not
// returned waits too. A kernel without barriers runs all its threads on one fiber. With TELEGRAD_SIMT_SEED set to a
// number above 0, blocks and the threads between two barriers run in a random order, another at each launch.
//
// Every source is one translation unit and its own shared library, and launches happen one at a time: the state here is
// plain static. Shared memory holds 0xFF (a NaN, or -1) when a block starts. Of warps
// there is only their barrier: a source that shuffles or votes does not compile.
#pragma once

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

#include "simt_device.h"

namespace simt {

constexpr unsigned kMaxThreads = 1024;
constexpr unsigned kWarp = 32;
constexpr unsigned kMaxGridYZ = 65535;
constexpr size_t kMaxSharedBytes = 48 << 10;
constexpr size_t kFenceBytes = 256;
constexpr size_t kStackBytes = (128 << 10) + 320;  // not a power of two, so that the stacks share no cache lines
constexpr int kPoison = 0xFF;

// Failures -------------------------------------------------------------------------------------------------------

static jmp_buf launcher;
static char failure[512];

[[noreturn]] __attribute__((format(printf, 1, 2))) static void fail(const char* format, ...) {
  va_list words;
  va_start(words, format);
  vsnprintf(failure, sizeof failure, format, words);
  va_end(words);
  _longjmp(launcher, 1);
}

// Shared memory --------------------------------------------------------------------------------------------------

struct SharedArray {
  void* data;
  size_t bytes;
};

static std::vector<SharedArray> shared_arrays;
alignas(256) static char dynamic_memory[kMaxSharedBytes + kFenceBytes];

template <class T>
struct SharedCell {
  alignas(16) alignas(T) char data[sizeof(T)];
  SharedCell() {
    memset(data, kPoison, sizeof(T));
    shared_arrays.push_back({data, sizeof(T)});
  }
};

// The one array that a `__shared__` declaration stands for; declarations are told apart by their number.
template <class T, int declaration>
inline T& shared() {
  static SharedCell<T> cell;
  return reinterpret_cast<T&>(cell.data);
}

static void poison_shared(size_t dynamic_bytes) {
  memset(dynamic_memory, kPoison, dynamic_bytes + kFenceBytes);
  for (const SharedArray& array : shared_arrays) memset(array.data, kPoison, array.bytes);
}

static void check_fence(size_t dynamic_bytes) {
  for (size_t i = dynamic_bytes; i < dynamic_bytes + kFenceBytes; i++)
    if (static_cast<unsigned char>(dynamic_memory[i]) != kPoison)
      fail("a thread wrote byte %zu of dynamic shared memory; the launch asked for %zu bytes", i, dynamic_bytes);
}

// Random order ---------------------------------------------------------------------------------------------------

static uint64_t random_state;  // 0: everything in its natural order

static void seed_random() {
  static uint64_t launches;
  const char* seed = getenv("TELEGRAD_SIMT_SEED");
  random_state = seed ? strtoull(seed, nullptr, 10) : 0;
  if (random_state) random_state = random_state * 0x9E3779B97F4A7C15u + 0xD1B54A32D192ED03u * ++launches | 1;
}

static uint64_t random_below(uint64_t bound) {  // xorshift64
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (random_state >> 11) % bound;
}

template <class T>
static void shuffle(std::vector<T>& items) {
  if (!random_state) return;
  for (size_t i = items.size(); i > 1; i--) std::swap(items[i - 1], items[random_below(i)]);
}

// Fibers ---------------------------------------------------------------------------------------------------------

struct Fiber {
  ucontext_t start;
  jmp_buf position;
  bool started = false;
  unsigned thread = 0;  // the thread of the block that it runs
  int line = 0;         // of the barrier at which that thread waits; 0: none
  bool of_warp = false;  // whether it is a barrier of the thread's warp, not of the block
};

static jmp_buf scheduler;
static Fiber* running;
static void (*body)();                 // runs the kernel for the present threadIdx
static std::vector<unsigned> threads;  // of the block, in the order in which they begin
static size_t begun;                   // how many of them have
static std::vector<Fiber*> idle, waiting;

__attribute__((noinline)) static void swap_stacks(jmp_buf& from, jmp_buf& to) {
  if (_setjmp(from) == 0) _longjmp(to, 1);
}

static void become(unsigned thread) {
  threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
}

// What every fiber does, block after block: begin threads as long as the block has some.
static void run_threads() {
  for (;;) {
    while (begun < threads.size()) {
      running->thread = threads[begun++];
      become(running->thread);
      body();
    }
    running->line = 0;
    swap_stacks(running->position, scheduler);
  }
}

__attribute__((noinline)) static void resume(Fiber* fiber) {
  running = fiber;
  if (!fiber->started) {
    fiber->started = true;
    if (_setjmp(scheduler) == 0) setcontext(&fiber->start);
  } else {
    if (fiber->line) become(fiber->thread);
    swap_stacks(scheduler, fiber->position);
  }
  (fiber->line ? waiting : idle).push_back(fiber);
}

static void barrier(int line, bool of_warp) {
  running->line = line;
  running->of_warp = of_warp;
  swap_stacks(running->position, scheduler);
}

// The fibers of one launch and the memory of their stacks.
class Fibers {
 public:
  explicit Fibers(size_t count) : fibers_(count), bytes_(count * kStackBytes) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    stacks_ = static_cast<char*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, flags, -1, 0));
    if (stacks_ == MAP_FAILED) fail("no memory for the stacks of %zu threads", count);
  }
  ~Fibers() {
    munmap(stacks_, bytes_);
    idle.clear();
    waiting.clear();
  }
  Fiber* take() {
    if (!idle.empty()) {
      Fiber* fiber = idle.back();
      idle.pop_back();
      return fiber;
    }
    Fiber* fiber = &fibers_[made_];
    getcontext(&fiber->start);
    fiber->start.uc_stack.ss_sp = stacks_ + kStackBytes * made_++;
    fiber->start.uc_stack.ss_size = kStackBytes;
    makecontext(&fiber->start, run_threads, 0);
    return fiber;
  }

 private:
  std::vector<Fiber> fibers_;
  size_t bytes_, made_ = 0;
  char* stacks_;
};

// Launches -------------------------------------------------------------------------------------------------------

// Whoever passes a barrier together with others must have come to the same one.
static void check_agreement(const std::vector<Fiber*>& passing) {
  const bool by_warp = passing[0]->of_warp;
  const Fiber* first[kMaxThreads / kWarp] = {};
  const auto group = [by_warp](const Fiber* fiber) { return by_warp ? fiber->thread / kWarp : 0; };
  for (const Fiber* fiber : passing)
    if (!first[group(fiber)]) first[group(fiber)] = fiber;
  for (const Fiber* fiber : waiting) {
    const Fiber* other = first[group(fiber)];
    if (other && (other->line != fiber->line || other->of_warp != fiber->of_warp))
      fail("threads of one %s wait at different barriers: %u at line %d, %u at line %d", by_warp ? "warp" : "block",
           other->thread, other->line, fiber->thread, fiber->line);
  }
}

// Those who wait for their warp go first: they have not come to the barrier of the block yet.
static void pass_barrier() {
  std::vector<Fiber*> passing, staying;
  for (Fiber* fiber : waiting) (fiber->of_warp ? passing : staying).push_back(fiber);
  if (passing.empty()) passing.swap(staying);
  check_agreement(passing);
  waiting.swap(staying);
  shuffle(passing);
  for (Fiber* fiber : passing) resume(fiber);
}

static void run_block(Fibers& fibers, size_t shared_bytes) {
  poison_shared(shared_bytes);
  shuffle(threads);
  begun = 0;
  while (begun < threads.size()) resume(fibers.take());
  while (!waiting.empty()) pass_barrier();
  check_fence(shared_bytes);
}

static void run_grid(Fibers& fibers, size_t shared_bytes) {
  const uint64_t blocks = uint64_t{gridDim.x} * gridDim.y * gridDim.z;
  uint64_t step = 1, block = 0;
  if (random_state) {
    block = random_below(blocks);
    do step = 1 + random_below(blocks); while (std::gcd(step, blocks) != 1);
  }
  for (uint64_t i = 0; i < blocks; i++, block = (block + step) % blocks) {
    blockIdx = {unsigned(block % gridDim.x), unsigned(block / gridDim.x % gridDim.y),
                unsigned(block / gridDim.x / gridDim.y)};
    run_block(fibers, shared_bytes);
  }
}

static void check_launch(size_t shared_bytes) {
  const uint64_t count = uint64_t{blockDim.x} * blockDim.y * blockDim.z;
  if (count == 0 || count > kMaxThreads || blockDim.z > 64)
    fail("a block of %u x %u x %u threads; 1 to %u are possible, 64 along z", blockDim.x, blockDim.y, blockDim.z,
         kMaxThreads);
  if (gridDim.x == 0 || gridDim.x > INT32_MAX || gridDim.y == 0 || gridDim.y > kMaxGridYZ || gridDim.z == 0 ||
      gridDim.z > kMaxGridYZ)
    fail("a grid of %u x %u x %u blocks; 1 to 2**31 - 1 are possible along x, to %u along y and z", gridDim.x,
         gridDim.y, gridDim.z, kMaxGridYZ);
  if (shared_bytes > kMaxSharedBytes)
    fail("%zu bytes of dynamic shared memory; at most %zu are possible", shared_bytes, kMaxSharedBytes);
}

static Fibers* fibers;  // of this launch, or of one that failed half way
static void* kernel;
static void** arguments;

template <class... A, size_t... I>
static inline void call(std::index_sequence<I...>) {
  reinterpret_cast<void (*)(A...)>(kernel)(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}

template <class... A>
static void call_kernel() {
  call<A...>(std::index_sequence_for<A...>{});
}

// Run a kernel over a grid: `sizes` are those of the grid, then of a block. Answers what went wrong, or null.
template <class... A>
static const char* launch(void (*function)(A...), const unsigned* sizes, size_t shared_bytes, void** args) {
  gridDim = {sizes[0], sizes[1], sizes[2]};
  blockDim = {sizes[3], sizes[4], sizes[5]};
  kernel = reinterpret_cast<void*>(function);
  arguments = args;
  body = call_kernel<A...>;
  if (_setjmp(launcher)) return failure;
  check_launch(shared_bytes);
  seed_random();
  threads.resize(blockDim.x * blockDim.y * blockDim.z);
  std::iota(threads.begin(), threads.end(), 0u);
  delete std::exchange(fibers, nullptr);
  fibers = new Fibers(threads.size());
  run_grid(*fibers, shared_bytes);
  delete std::exchange(fibers, nullptr);
  return nullptr;
}

}  // namespace simt

static inline void __syncthreads(int line = __builtin_LINE()) { simt::barrier(line, false); }
static inline void __syncwarp(unsigned mask = ~0u, int line = __builtin_LINE()) {
  if (mask != ~0u) simt::fail("__syncwarp of a part of a warp is not emulated");
  simt::barrier(line, true);
}
[[noreturn]] static inline void __trap() { simt::fail("a thread called __trap"); }

#undef assert
#define assert(condition) ((condition) ? void() : simt::fail("assertion failed: %s", #condition))

#define SIMT_ENTRY(name, ...)                                                        \
  extern "C" __attribute__((visibility("default"))) const char* simt_entry_##name(   \
      const unsigned* sizes, size_t shared_bytes, void** args) {                     \
    return simt::launch(&__VA_ARGS__, sizes, shared_bytes, args);                    \
  }
