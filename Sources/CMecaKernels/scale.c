#include "lanes.h"

// Evaluation reads less memory than training, so the few tests inside a step cost nothing: the
// compiler takes them out of the loop.
CLONES void meca_scale_forward(meca_layout l, const float *x, const float *residual,
                               const float *scale, const float *shift,
                               meca_activation activation, float *y) {
  const vec zero = {0};
  for (int64_t index = 0; index < meca_group_count(l); index++) {
    lane_group g = meca_group(l, index);
    vec factor, offset;
    meca_spread(&factor, &g, scale);
    meca_spread(&offset, &g, shift);
#define STEP(at, width)                                 \
  do {                                                  \
    vec v_, r_;                                         \
    meca_load(&v_, x + (at), width, &zero);             \
    v_ = v_ * factor + offset;                          \
    if (residual) {                                     \
      meca_load(&r_, residual + (at), width, &zero);    \
      v_ += r_;                                         \
    }                                                   \
    r_ = v_;                                            \
    if (activation != MECA_NO_ACTIVATION) meca_where_positive(&v_, &r_); \
    if (activation == MECA_RELU6) meca_limit(&v_);      \
    meca_store(y + (at), &v_, width);                   \
  } while (0)
    for (int64_t n = 0; n < l.batch; n++) FOR_STEPS(g, n, STEP);
#undef STEP
  }
}

CLONES void meca_scale_backward(meca_layout l, const float *grad_output, const float *y,
                                const float *scale, meca_activation activation,
                                float *grad_input, float *grad_residual) {
  const vec zero = {0};
  for (int64_t index = 0; index < meca_group_count(l); index++) {
    lane_group g = meca_group(l, index);
    vec factor;
    meca_spread(&factor, &g, scale);
#define STEP(at, width)                                 \
  do {                                                  \
    vec g_, y_;                                         \
    meca_load(&g_, grad_output + (at), width, &zero);   \
    if (activation != MECA_NO_ACTIVATION) {             \
      meca_load(&y_, y + (at), width, &zero);           \
      if (activation == MECA_RELU6) meca_where_inside(&g_, &y_); \
      else meca_where_positive(&g_, &y_);               \
    }                                                   \
    y_ = g_ * factor;                                   \
    if (grad_residual) meca_store(grad_residual + (at), &g_, width); \
    meca_store(grad_input + (at), &y_, width);          \
  } while (0)
    for (int64_t n = 0; n < l.batch; n++) FOR_STEPS(g, n, STEP);
#undef STEP
  }
}

CLONES void meca_mask(int64_t count, const float *y, meca_activation activation, float *gradient) {
  if (activation == MECA_NO_ACTIVATION) return;
  const vec zero = {0};
  for (int64_t i = 0; i < count; i += LANES) {
    const int width = count - i < LANES ? (int)(count - i) : LANES;
    vec g_, y_;
    meca_load(&g_, gradient + i, width, &zero);
    meca_load(&y_, y + i, width, &zero);
    if (activation == MECA_RELU6) meca_where_inside(&g_, &y_);
    else meca_where_positive(&g_, &y_);
    meca_store(gradient + i, &g_, width);
  }
}
