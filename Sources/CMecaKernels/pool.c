#include "sums.h"

CLONES void meca_average_pool_forward(meca_layout l, const float *x, float *output) {
  const vec zero = {0};
  const double count = (double)l.plane;
  for (int64_t n = 0; n < l.batch; n++) {
    for (int64_t index = 0; index < meca_group_count(l); index++) {
      lane_group g = meca_group(l, index);
      pair_sums sums = {0};
#define VALUES(at, width, ta, tb) meca_load(ta, x + (at), width, &zero), *(tb) = zero
      SUM_STEPS(g, n, sums, VALUES);
#undef VALUES
      meca_sums_finish(&sums, &g);
      for (int c = 0; c < g.channels; c++)
        output[n * l.channels + g.channel + c] = (float)(sums.total_a[c] / count);
    }
  }
}

CLONES void meca_average_pool_backward(meca_layout l, const float *grad_output, float *grad_input) {
  const float count = (float)l.plane;
  for (int64_t n = 0; n < l.batch; n++) {
    for (int64_t index = 0; index < meca_group_count(l); index++) {
      lane_group g = meca_group(l, index);
      vec share;
      meca_spread(&share, &g, grad_output + n * l.channels);
      share /= count;
#define STEP(at, width) meca_store(grad_input + (at), &share, width)
      FOR_STEPS(g, n, STEP);
#undef STEP
    }
  }
}
