// The memory of the emulated devices: every allocation is known, poisoned when made and fenced on both sides.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MAX_DEVICES 8
#define HOST (-1)        // instead of a device: pinned host memory
#define REGISTERED (-2)  // memory of the host that its owner had pinned: not ours to make or free

typedef struct {
  char* start;
  size_t size;
  int device;
} Allocation;

extern size_t device_limit[MAX_DEVICES], device_used[MAX_DEVICES];

// The new memory, or 0 where the device's limit leaves no room.
void* allocate(size_t size, int device);
// Whether `start` is an allocation; null is one. Looks at its fences.
int release(void* start);
void register_host(void* start, size_t size);
// Whether `start` was registered.
int unregister_host(void* start);
// The allocation that holds all bytes of a range, or null.
const Allocation* holder(const void* start, size_t size);
// The first damage to a fence that was found since the last call, described; null where there is none.
const char* damaged_fence(void);
// Look at every fence now.
void check_fences(void);
