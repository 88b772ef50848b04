#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FENCE = 512, POISON = 0xFF, FENCE_BYTE = 0xFE };

size_t device_limit[MAX_DEVICES], device_used[MAX_DEVICES];

static Allocation* table;  // sorted by address
static size_t count, room;
static char damage[160];

// The number of allocations that start at or before an address.
static size_t rank(const char* address) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (table[middle].start <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

static void insert(Allocation made) {
  if (count == room) table = realloc(table, (room = room ? 2 * room : 256) * sizeof *table);
  size_t place = rank(made.start);
  memmove(table + place + 1, table + place, (count++ - place) * sizeof *table);
  table[place] = made;
}

void* allocate(size_t size, int device) {
  if (device != HOST && (size > device_limit[device] || device_used[device] > device_limit[device] - size)) return 0;
  void* block;
  if (posix_memalign(&block, FENCE, size + 2 * FENCE)) return 0;
  char* start = (char*)block + FENCE;
  memset(block, FENCE_BYTE, FENCE);
  memset(start, POISON, size);
  memset(start + size, FENCE_BYTE, FENCE);
  if (device != HOST) device_used[device] += size;
  insert((Allocation){start, size, device});
  return start;
}

static void check_side(const Allocation* a, long long offset) {
  unsigned char* fence = (unsigned char*)a->start + offset;
  int i = 0;
  while (i < FENCE && fence[i] == FENCE_BYTE) i++;
  if (i == FENCE) return;
  memset(fence, FENCE_BYTE, FENCE);  // reported once
  if (!*damage)
    snprintf(damage, sizeof damage, "byte %lld of an allocation of %zu bytes was written", offset + i, a->size);
}

static void check_fence(const Allocation* a) {
  if (a->device == REGISTERED) return;
  check_side(a, -FENCE);
  check_side(a, (long long)a->size);
}

// Whether an allocation starts at `start`, which is then known no more.
static int take_out(void* start, Allocation* gone) {
  size_t place = rank(start);
  if (!place || table[place - 1].start != start) return 0;
  *gone = table[--place];
  memmove(table + place, table + place + 1, (--count - place) * sizeof *table);
  return 1;
}

void register_host(void* start, size_t size) { insert((Allocation){start, size, REGISTERED}); }

int unregister_host(void* start) {
  Allocation gone;
  return take_out(start, &gone);
}

int release(void* start) {
  Allocation gone;
  if (!start) return 1;
  if (!take_out(start, &gone)) return 0;
  check_fence(&gone);
  if (gone.device != HOST) device_used[gone.device] -= gone.size;
  memset(start, POISON, gone.size);
  free(gone.start - FENCE);
  return 1;
}

const Allocation* holder(const void* start, size_t size) {
  size_t place = rank(start);
  if (!place) return NULL;
  const Allocation* found = &table[place - 1];
  size_t offset = (size_t)((const char*)start - found->start);
  return offset <= found->size && size <= found->size - offset ? found : NULL;
}

const char* damaged_fence(void) {
  static char told[sizeof damage];
  if (!*damage) return NULL;
  strcpy(told, damage);
  *damage = 0;
  return told;
}

void check_fences(void) {
  for (size_t i = 0; i < count; i++) check_fence(&table[i]);
}
