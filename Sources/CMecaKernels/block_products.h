#ifndef MECA_BLOCK_PRODUCTS_H
#define MECA_BLOCK_PRODUCTS_H

// Vectors of BLOCK floats and products of matrices with them; included once for each BLOCK.

#include "meca_kernels.h"

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

#if BLOCK == 16 && defined(__x86_64__)
enum { ROWS = 12, GRADIENT_ROWS = 8 };
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")))
#elif BLOCK == 16
enum { ROWS = 12, GRADIENT_ROWS = 8 };
#define TARGET
#elif defined(__x86_64__)
enum { ROWS = 6, GRADIENT_ROWS = 4 };
#define TARGET __attribute__((target("avx2,fma")))
#else
enum { ROWS = 6, GRADIENT_ROWS = 4 };
#define TARGET
#endif
// Keeps the compiler from loading several of them ahead: the sums take the other registers.
#if defined(__x86_64__) && BLOCK == 8
#define ONE_AT_A_TIME(value) __asm__ volatile("" : "+x"(value))
#else
#define ONE_AT_A_TIME(value) (void)(value)
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef float vec __attribute__((vector_size(4 * BLOCK)));
typedef int32_t bits __attribute__((vector_size(4 * BLOCK)));
// The same in memory, wherever it begins.
typedef float vec_memory __attribute__((vector_size(4 * BLOCK), aligned(4), may_alias));

INLINE vec all_lanes(float x) {
#if BLOCK == 16
  return (vec){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#else
  return (vec){x, x, x, x, x, x, x, x};
#endif
}
// Fetches the lines of the cache with `count` values that are soon read or written.
INLINE void fetch(const vec_memory *values, const int count) {
#pragma clang loop unroll(full)
  for (int j = 0; j < count; j += BLOCK == 8 ? 2 : 1) __builtin_prefetch(values + j);
}
INLINE vec fused(float factor, vec x, vec y) {
  return __builtin_elementwise_fma(all_lanes(factor), x, y);
}

// What is not a number stays, so that a diverged run is seen.
INLINE vec where_positive(vec x) { return (vec)((bits)x & ~(bits)(x <= (vec){0})); }
INLINE vec limited(vec x) {
  const vec limit = all_lanes(MECA_RELU6_LIMIT);
  const bits above = x > limit;
  return (vec)(((bits)x & ~above) | ((bits)limit & above));
}

// MARK: products

// For `rows` rows and `vectors` vectors: c = a · b, or c + a · b, over `blocks` times `steps` steps.
// Row r of `a` lies r·row floats on, its steps `step` floats apart, blocks `jump` floats apart. Step
// s of vector j of `b` lies at b[s·b_step + j·b_vector].
INLINE void product(const int rows, const int vectors, const int more, int64_t blocks,
                    const int steps, const float *a, int64_t row, int64_t step, int64_t jump,
                    const float *b, int64_t b_step, int64_t b_vector, float *c, int64_t c_row,
                    int64_t c_vector) {
  vec sums[12][3];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++)
      sums[r][j] = more ? *(vec_memory *)(c + r * c_row + j * c_vector) : (vec){0};
  for (int64_t block = 0; block < blocks; block++, a += jump) {
#pragma clang loop unroll_count(4)
    for (int s = 0; s < steps; s++, b += b_step) {
      vec columns[3];
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) columns[j] = *(const vec_memory *)(b + j * b_vector);
#pragma clang loop unroll(full)
      for (int r = 0; r < rows; r++) {
        vec value = all_lanes(a[r * row + s * step]);
        if (vectors == 3) ONE_AT_A_TIME(value);
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++)
          sums[r][j] = __builtin_elementwise_fma(value, columns[j], sums[r][j]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) *(vec_memory *)(c + r * c_row + j * c_vector) = sums[r][j];
}

// The same for any number of rows and one vector or two.
INLINE void product_of_rows(int64_t count, int64_t width, int more, int64_t blocks,
                            const int steps, const float *a, int64_t row, int64_t step,
                            int64_t jump, const float *b, int64_t b_step, int64_t b_vector,
                            float *c, int64_t c_row, int64_t c_vector) {
  // As many rows as registers have room for; what is left over goes in halves, since few rows leave
  // the multipliers waiting for their own results.
  const int64_t most = width == 2 ? ROWS : 12;
  for (int64_t first = 0, rows; first < count; first += rows) {
    const int64_t left = count - first;
    rows = left >= 2 * most || left <= most ? smaller(left, most) : (left + 1) / 2;
    const float *from = a + first * row;
    float *to = c + first * c_row;
#define CASE(r, n, more)                                                                        \
  case r:                                                                                       \
    product(r, n, more, blocks, steps, from, row, step, jump, b, b_step, b_vector, to, c_row,   \
            c_vector);                                                                          \
    break;
#define UP_TO_6(n, more) \
  CASE(6, n, more) CASE(5, n, more) CASE(4, n, more) CASE(3, n, more) CASE(2, n, more) CASE(1, n, more)
#define UP_TO_12(n, more)                                                                   \
  CASE(12, n, more) CASE(11, n, more) CASE(10, n, more) CASE(9, n, more) CASE(8, n, more) \
  CASE(7, n, more) UP_TO_6(n, more)
#if BLOCK == 16
#define PAIRS(more) UP_TO_12(2, more)
#else
#define PAIRS(more) UP_TO_6(2, more)
#endif
    if (width == 2 && more) {
      switch (rows) { PAIRS(1) }
    } else if (width == 2) {
      switch (rows) { PAIRS(0) }
    } else if (more) {
      switch (rows) { UP_TO_12(1, 1) }
    } else {
      switch (rows) { UP_TO_12(1, 0) }
    }
#undef PAIRS
#undef UP_TO_12
#undef UP_TO_6
#undef CASE
  }
}

#endif
