#include "copies.h"

#include <stdlib.h>
#include <string.h>

typedef struct Copy {
  struct Copy* next;
  void* to;
  size_t size;
  intptr_t stream;
  uint64_t number;
  char bytes[];  // the source as it was when the copy was issued
} Copy;

static Copy *first, **last = &first;
static uint64_t issued;

void copy_later(void* to, const void* from, size_t size, intptr_t stream) {
  Copy* copy = malloc(sizeof *copy + size);
  *copy = (Copy){NULL, to, size, stream, issued++};
  memcpy(copy->bytes, from, size);
  memset(to, 0xFF, size);
  *last = copy;
  last = &copy->next;
}

Mark mark(intptr_t stream) { return (Mark){stream, issued}; }

static int deliver(int every_stream, Mark at) {
  int delivered = 0;
  Copy** place = &first;
  while (*place) {
    Copy* copy = *place;
    if ((!every_stream && copy->stream != at.stream) || copy->number >= at.issued) {
      place = &copy->next;
      continue;
    }
    memcpy(copy->to, copy->bytes, copy->size);
    *place = copy->next;
    free(copy);
    delivered++;
  }
  last = place;
  return delivered;
}

int deliver_mark(Mark at) { return deliver(0, at); }
int deliver_stream(intptr_t stream) { return deliver(0, mark(stream)); }
int deliver_all(void) { return deliver(1, mark(0)); }
