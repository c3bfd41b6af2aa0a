/* What the hot path tells the compiler. */
#ifndef TIDEMARK_BASE_COMPILER_H
#define TIDEMARK_BASE_COMPILER_H

#define INLINE static inline __attribute__((always_inline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
