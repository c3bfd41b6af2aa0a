/* Calls that may never come back, such as a library's that has locked itself out. */
#ifndef TIDEMARK_BASE_PATIENCE_H
#define TIDEMARK_BASE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Calls fn(arg) on a thread of its own and waits for it. False where it has not come back after ms: it
 * goes on, and whatever it uses must stay as it is for good. Where no thread can be had it is simply
 * called. */
bool call_with_patience(void (*fn)(void *arg), void *arg, int64_t ms);

#endif
