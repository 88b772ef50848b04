// Copies from a device into pinned memory arrive when somebody waits for them, no sooner.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
  intptr_t stream;
  uint64_t issued;  // how many copies had been issued when the event was recorded
} Mark;

void copy_later(void* to, const void* from, size_t size, intptr_t stream);
Mark mark(intptr_t stream);
// Deliver what a wait on this mark, a stream, or everything waits for; answers how many copies that were.
int deliver_mark(Mark at);
int deliver_stream(intptr_t stream);
int deliver_all(void);
