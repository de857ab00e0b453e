#include "lanes.h"

// Vectors are up to 16 neighbouring channels of one point. Every value is computed from its own
// channel's window alone, and every sum takes the output points row by row, so that neither the
// width of vectors nor the layout changes a bit.

enum { NARROW = 8 };

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Where `condition` is -1 x, where it is 0 y.
INLINE void choose(vec *target, const ivec *condition, const vec *x, const vec *y) {
  *target = (vec)(((ivec)*x & *condition) | ((ivec)*y & ~*condition));
}

// The largest value and its tap for `width` channels of the output point (i, j) of a plane.
INLINE void largest(const meca_pool *p, const float *plane, int64_t i, int64_t j, int width,
                    vec *value, ivec *tap) {
  const vec zero = {0};
  const int64_t h = i * p->stride - p->padding, w = j * p->stride - p->padding;
  const int64_t r0 = most(0, -h), r1 = least(p->kernel, p->height - h);
  const int64_t s0 = most(0, -w), s1 = least(p->kernel, p->width - w);
  meca_load(value, plane + ((h + r0) * p->width + w + s0) * p->block, width, &zero);
  *tap = (ivec){0} + (int32_t)(r0 * p->kernel + s0);
  for (int64_t r = r0; r < r1; r++)
    for (int64_t s = s0; s < s1; s++) {
      vec x;
      meca_load(&x, plane + ((h + r) * p->width + w + s) * p->block, width, &zero);
      // What is not a number wins, as in PyTorch, so that a diverged run is seen.
      ivec wins = (ivec)(x > *value) | (ivec)(x != x);
      choose(value, &wins, &x, value);
      *tap = (wins & (int32_t)(r * p->kernel + s)) | (*tap & ~wins);
    }
}

// Forward for `width` channels from `place` of one block on.
INLINE void forward_channels(const meca_pool *p, const float *x, float *y, uint8_t *taps,
                             int width) {
  for (int64_t i = 0; i < p->out_height; i++)
    for (int64_t j = 0; j < p->out_width; j++) {
      const int64_t point = (i * p->out_width + j) * p->block;
      vec value;
      ivec tap;
      largest(p, x, i, j, width, &value, &tap);
      meca_store(y + point, &value, width);
      if (taps)
        for (int c = 0; c < width; c++) taps[point + c] = (uint8_t)tap[c];
    }
}

// Backward for the same channels. An input point takes from the windows that it lies in, row by row.
INLINE void backward_channels(const meca_pool *p, const float *grad_output, const uint8_t *taps,
                              float *grad_input, int width) {
  const vec zero = {0};
  for (int64_t h = 0; h < p->height; h++) {
    const int64_t i0 = most(0, (h + p->padding - p->kernel + p->stride) / p->stride);
    const int64_t i1 = least(p->out_height, (h + p->padding) / p->stride + 1);
    for (int64_t w = 0; w < p->width; w++) {
      const int64_t j0 = most(0, (w + p->padding - p->kernel + p->stride) / p->stride);
      const int64_t j1 = least(p->out_width, (w + p->padding) / p->stride + 1);
      vec sum = zero;
      for (int64_t i = i0; i < i1; i++)
        for (int64_t j = j0; j < j1; j++) {
          const int64_t point = (i * p->out_width + j) * p->block;
          const int64_t r = h - (i * p->stride - p->padding);
          const int32_t own = (int32_t)(r * p->kernel + w - (j * p->stride - p->padding));
          ivec tap = {0};
          for (int c = 0; c < width; c++) tap[c] = taps[point + c];
          vec gradient;
          meca_load(&gradient, grad_output + point, width, &zero);
          sum += (vec)((ivec)gradient & (ivec)(tap == own));
        }
      meca_store(grad_input + (h * p->width + w) * p->block, &sum, width);
    }
  }
}

// Calls WORK(offset of the input's channels, of the output's, width) for at most 16 channels of a
// block at a time; the usual widths are constants for the compiler.
#define FOR_CHANNELS(p, WORK)                                                                \
  for (int64_t plane_ = 0; plane_ < (p).batch * (p).blocks; plane_++)                        \
    for (int64_t place_ = 0; place_ < (p).block; place_ += LANES) {                          \
      const int64_t in = plane_ * (p).height * (p).width * (p).block + place_;               \
      const int64_t out = plane_ * (p).out_height * (p).out_width * (p).block + place_;      \
      const int width_ = (int)least(LANES, (p).block - place_);                              \
      if (width_ == LANES)                                                                   \
        WORK(in, out, LANES);                                                                \
      else if (width_ == NARROW)                                                             \
        WORK(in, out, NARROW);                                                               \
      else                                                                                   \
        WORK(in, out, width_);                                                               \
    }

CLONES void meca_max_pool_forward(meca_pool p, const float *restrict x, float *restrict y,
                                  uint8_t *restrict taps) {
#define WORK(in, out, width) forward_channels(&p, x + (in), y + (out), taps ? taps + (out) : 0, width)
  FOR_CHANNELS(p, WORK)
#undef WORK
}

CLONES void meca_max_pool_backward(meca_pool p, const float *restrict grad_output,
                                   const uint8_t *restrict taps, float *restrict grad_input) {
#define WORK(in, out, width) \
  backward_channels(&p, grad_output + (out), taps + (out), grad_input + (in), width)
  FOR_CHANNELS(p, WORK)
#undef WORK
}
