#ifndef MECA_LANES_H
#define MECA_LANES_H

#include <string.h>

#include "meca_kernels.h"

// How every layout becomes vectors of 16 floats.
//
// A group is a set of at most 16 channels that is worked on together. In each image its values are
// a run of steps: step s covers `width` floats at s·stride, and one last step covers `tail` floats.
//   block 16:  a step is 1 point x 16 channels;  block 8: 2 points x 8 channels (lane % 8);
//   block 1:   a step is 16 points of 1 channel (lane % 1);
//   other blocks (channels last): a step is 1 point x up to 16 neighbouring channels.
// The vectors have 16 lanes on every processor (narrow ones take several registers for it), and
// contraction to fused multiply-add is off, so that all clones of a function give the same bits.
enum { LANES = 16 };
typedef float vec __attribute__((vector_size(64)));
typedef int32_t ivec __attribute__((vector_size(64)));
typedef float vec_unaligned __attribute__((vector_size(64), aligned(4), may_alias));

// Several versions of a function, chosen when the program starts.
#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

typedef struct {
  int64_t first;     // offset of the group's first float in image 0
  int64_t image;     // floats from image to image
  int64_t steps, stride;
  int width, tail;   // floats of a step, of the last step (0: none)
  int64_t channel;   // channel of lane 0
  int channels;      // real channels of this group; lanes beyond are padding
  int period;        // lane l holds channel (channel + l % period)
} lane_group;

INLINE int meca_is_periodic(meca_layout l) {
  return l.block <= LANES && LANES % l.block == 0;
}

INLINE int64_t meca_group_count(meca_layout l) {
  return meca_is_periodic(l) ? l.blocks : l.blocks * ((l.block + LANES - 1) / LANES);
}

INLINE lane_group meca_group(meca_layout l, int64_t index) {
  lane_group g;
  g.image = l.blocks * l.plane * l.block;
  if (meca_is_periodic(l)) {
    int64_t floats = l.plane * l.block;
    g.first = index * floats;
    g.steps = floats / LANES;
    g.stride = LANES;
    g.width = LANES;
    g.tail = (int)(floats % LANES);
    g.channel = index * l.block;
    g.period = (int)l.block;
  } else {
    int64_t per_block = (l.block + LANES - 1) / LANES;
    int64_t block = index / per_block, place = index % per_block * LANES;
    g.first = block * l.plane * l.block + place;
    g.steps = l.plane;
    g.stride = l.block;
    g.width = (int)(l.block - place < LANES ? l.block - place : LANES);
    g.tail = 0;
    g.channel = block * l.block + place;
    g.period = LANES;
  }
  int64_t real = l.channels - g.channel;
  int most = g.period < g.width ? g.period : g.width;
  g.channels = (int)(real < 0 ? 0 : real < most ? real : most);
  return g;
}

// Loads `width` floats; the other lanes are those of `fill`.
INLINE void meca_load(vec *v, const float *p, int width, const vec *fill) {
  if (width == LANES) {
    *v = *(const vec_unaligned *)p;
  } else {
    *v = *fill;
    memcpy(v, p, (size_t)width * sizeof(float));
  }
}

INLINE void meca_store(float *p, const vec *v, int width) {
  if (width == LANES) {
    *(vec_unaligned *)p = *v;
  } else {
    memcpy(p, v, (size_t)width * sizeof(float));
  }
}

// One number per channel to one per lane, zero in padding.
INLINE void meca_spread(vec *v, const lane_group *g, const float *per_channel) {
  float lanes[LANES];
  for (int l = 0; l < LANES; l++) {
    int c = l % g->period;
    lanes[l] = c < g->channels ? per_channel[g->channel + c] : 0.0f;
  }
  memcpy(v, lanes, sizeof lanes);
}

// Sums lanes that hold the same channel, pairwise: l + (l + 8), then l + (l + 4), ...
INLINE void meca_fold(const lane_group *g, double *lanes) {
  for (int half = LANES / 2; half >= g->period; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
}

// x where y > 0, else 0. Where y is not a number x stays, so that a diverged run is seen.
INLINE void meca_where_positive(vec *x, const vec *y) {
  const vec zero = {0};
  *x = (vec)((ivec)*x & ~(ivec)(*y <= zero));
}

// The smaller of x and the limit; what is not a number stays.
INLINE void meca_limit(vec *x) {
  const vec zero = {0}, limit = zero + MECA_RELU6_LIMIT;
  ivec over = (ivec)(*x > limit);
  *x = (vec)(((ivec)*x & ~over) | ((ivec)limit & over));
}

// x where 0 < y < the limit, else 0; as above x stays where y is not a number.
INLINE void meca_where_inside(vec *x, const vec *y) {
  const vec zero = {0}, limit = zero + MECA_RELU6_LIMIT;
  *x = (vec)((ivec)*x & ~((ivec)(*y <= zero) | (ivec)(*y >= limit)));
}

// Calls STEP(offset, width) for all steps of group `g` in image `n`; the common width is a constant
// for the compiler.
#define FOR_STEPS(g, n, STEP)                                                      \
  do {                                                                             \
    int64_t base_ = (g).first + (n) * (g).image;                                   \
    if ((g).width == LANES) {                                                      \
      for (int64_t s_ = 0; s_ < (g).steps; s_++) STEP(base_ + s_ * (g).stride, LANES); \
    } else {                                                                       \
      for (int64_t s_ = 0; s_ < (g).steps; s_++)                                   \
        STEP(base_ + s_ * (g).stride, (g).width);                                  \
    }                                                                              \
    if ((g).tail > 0) STEP(base_ + (g).steps * (g).stride, (g).tail);              \
  } while (0)

#endif
