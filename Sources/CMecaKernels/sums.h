#ifndef MECA_SUMS_H
#define MECA_SUMS_H

#include "lanes.h"

// Two sums per lane at once. Short stretches are added in float, in two accumulators so that the
// additions overlap, and go to double once PIECE steps are there. Up to PIECE - 1 steps of the image
// before may wait, so that a float chain has at most 2 * PIECE - 1 additions.
enum { PIECE = 64 };

typedef struct {
  vec a[2], b[2];
  int pending;
  double total_a[LANES], total_b[LANES];
} pair_sums;

INLINE void meca_sums_flush(pair_sums *s) {
  const vec zero = {0};
  vec a = s->a[0] + s->a[1], b = s->b[0] + s->b[1];
  for (int l = 0; l < LANES; l++) {
    s->total_a[l] += (double)a[l];
    s->total_b[l] += (double)b[l];
  }
  s->a[0] = s->a[1] = s->b[0] = s->b[1] = zero;
  s->pending = 0;
}

// Runs TERMS(offset, width, &ta, &tb) over all steps of one image and adds what it yields.
#define SUM_STEPS(g, n, s, TERMS)                                                  \
  do {                                                                             \
    int64_t base_ = (g).first + (n) * (g).image;                                   \
    for (int64_t from_ = 0; from_ < (g).steps; from_ += PIECE) {                   \
      int64_t to_ = from_ + PIECE < (g).steps ? from_ + PIECE : (g).steps;         \
      vec a0 = (s).a[0], a1 = (s).a[1], b0 = (s).b[0], b1 = (s).b[1], ta, tb;      \
      if ((g).width == LANES) {                                                    \
        int64_t s_ = from_;                                                        \
        for (; s_ + 1 < to_; s_ += 2) {                                            \
          TERMS(base_ + s_ * (g).stride, LANES, &ta, &tb);                         \
          a0 += ta, b0 += tb;                                                      \
          TERMS(base_ + (s_ + 1) * (g).stride, LANES, &ta, &tb);                   \
          a1 += ta, b1 += tb;                                                      \
        }                                                                          \
        if (s_ < to_) {                                                            \
          TERMS(base_ + s_ * (g).stride, LANES, &ta, &tb);                         \
          a0 += ta, b0 += tb;                                                      \
        }                                                                          \
      } else {                                                                     \
        for (int64_t s_ = from_; s_ < to_; s_++) {                                 \
          TERMS(base_ + s_ * (g).stride, (g).width, &ta, &tb);                     \
          a0 += ta, b0 += tb;                                                      \
        }                                                                          \
      }                                                                            \
      (s).a[0] = a0, (s).a[1] = a1, (s).b[0] = b0, (s).b[1] = b1;                  \
      (s).pending += (int)(to_ - from_);                                           \
      if ((s).pending >= PIECE) meca_sums_flush(&(s));                             \
    }                                                                              \
    if ((g).tail > 0) {                                                            \
      vec ta, tb;                                                                  \
      TERMS(base_ + (g).steps * (g).stride, (g).tail, &ta, &tb);                   \
      (s).a[0] += ta, (s).b[0] += tb;                                              \
      (s).pending += 1;                                                            \
      if ((s).pending >= PIECE) meca_sums_flush(&(s));                             \
    }                                                                              \
  } while (0)

// Ends the sums: one number per channel in total_a and total_b.
INLINE void meca_sums_finish(pair_sums *s, const lane_group *g) {
  meca_sums_flush(s);
  meca_fold(g, s->total_a);
  meca_fold(g, s->total_b);
}

#endif
