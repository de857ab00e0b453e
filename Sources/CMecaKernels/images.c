#include "lanes.h"

// Calls EACH(offset in the layout, offset in NCHW, channel) for every real value, and
// PADDING(offset) for the places behind the last channel.
#define FOR_VALUES(l, EACH, PADDING)                                                   \
  for (int64_t n = 0; n < (l).batch; n++)                                              \
    for (int64_t c = 0; c < (l).blocks * (l).block; c++) {                             \
      int64_t at =                                                                     \
          (n * (l).blocks + c / (l).block) * (l).plane * (l).block + c % (l).block;    \
      if (c < (l).channels) {                                                          \
        int64_t plain = (n * (l).channels + c) * (l).plane;                            \
        for (int64_t p = 0; p < (l).plane; p++) EACH(at + p * (l).block, plain + p, c); \
      } else {                                                                         \
        for (int64_t p = 0; p < (l).plane; p++) PADDING(at + p * (l).block);           \
      }                                                                                \
    }

#define NOTHING(at) (void)0

void meca_load_images(meca_layout l, const float *restrict raw, const float *mean,
                      const float *inverse_deviation, float *restrict output) {
#define EACH(at, plain, c) output[at] = (raw[plain] - mean[c]) * inverse_deviation[c]
#define ZERO(at) output[at] = 0.0f
  FOR_VALUES(l, EACH, ZERO)
#undef EACH
}

void meca_unload_image_gradient(meca_layout l, const float *restrict gradient,
                                const float *inverse_deviation, float *restrict raw_gradient) {
#define EACH(at, plain, c) raw_gradient[plain] = gradient[at] * inverse_deviation[c]
  FOR_VALUES(l, EACH, NOTHING)
#undef EACH
}

void meca_pack(meca_layout l, const float *restrict nchw, float *restrict output) {
#define EACH(at, plain, c) output[at] = nchw[plain]
  FOR_VALUES(l, EACH, ZERO)
#undef EACH
}

void meca_unpack(meca_layout l, const float *restrict input, float *restrict nchw) {
#define EACH(at, plain, c) nchw[plain] = input[at]
  FOR_VALUES(l, EACH, NOTHING)
#undef EACH
}

CLONES void meca_reblock(meca_layout from, const float *restrict input, meca_layout to,
                         float *restrict output) {
  // Channels that lie side by side in both.
  int64_t step = from.block < to.block ? from.block : to.block;
  for (int64_t n = 0; n < to.batch; n++)
    for (int64_t c = 0; c < to.blocks * to.block; c += step) {
      float *y =
          output + (n * to.blocks + c / to.block) * to.plane * to.block + c % to.block;
      if (c >= from.blocks * from.block) {
        for (int64_t p = 0; p < to.plane; p++)
          for (int64_t i = 0; i < step; i++) y[p * to.block + i] = 0.0f;
        continue;
      }
      const float *x =
          input + (n * from.blocks + c / from.block) * from.plane * from.block + c % from.block;
      for (int64_t p = 0; p < to.plane; p++)
        for (int64_t i = 0; i < step; i++) y[p * to.block + i] = x[p * from.block + i];
    }
}

void meca_copy_channels(meca_layout from, const float *restrict input, int64_t first,
                        meca_layout to, float *restrict output, int64_t target, int64_t count) {
  for (int64_t n = 0; n < to.batch; n++)
    for (int64_t i = 0; i < count; i++) {
      int64_t c = first + i, k = target + i;
      const float *x =
          input + (n * from.blocks + c / from.block) * from.plane * from.block + c % from.block;
      float *y = output + (n * to.blocks + k / to.block) * to.plane * to.block + k % to.block;
      for (int64_t p = 0; p < to.plane; p++) y[p * to.block] = x[p * from.block];
    }
}
