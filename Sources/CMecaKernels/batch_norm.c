#include <math.h>

#include "sums.h"

// Sums go through the images forwards; what is done with them goes backwards, since the last images
// are still in the cache, and leaves the first ones there for the convolution that follows.
#define FOR_IMAGES_BACKWARDS(l, n) for (int64_t n = (l).batch - 1; n >= 0; n--)

// A number near the channel's mean, so that squares of distances to it lose no digits: the mean of
// up to 64 points of image 0. If those points differ from all others, the variance is at least
// distance² · share · (1 − share), so that even then the loss is bounded by 1 / share.
INLINE float pivot_of(meca_layout l, int64_t channel, const float *x) {
  const float *p = x + channel / l.block * l.plane * l.block + channel % l.block;
  int64_t points = l.plane < 64 ? l.plane : 64;
  float sum = 0;
  for (int64_t i = 0; i < points; i++) sum += p[i * l.block];
  return sum / (float)points;
}

CLONES void meca_batch_norm_forward(meca_layout l, const float *x, const float *residual,
                                    const float *gamma, const float *beta, float epsilon,
                                    meca_activation activation, float *y, float *mean,
                                    float *inverse_deviation, float *unbiased_variance) {
  const double count = (double)(l.batch * l.plane);
  const vec zero = {0};
  for (int64_t index = 0; index < meca_group_count(l); index++) {
    lane_group g = meca_group(l, index);
    for (int c = 0; c < g.channels; c++) mean[g.channel + c] = pivot_of(l, g.channel + c, x);
    vec pivot;
    meca_spread(&pivot, &g, mean);

    pair_sums sums = {0};
#define DISTANCES(at, width, ta, tb)        \
  do {                                      \
    vec v_;                                 \
    meca_load(&v_, x + (at), width, &pivot); \
    *(ta) = v_ - pivot;                     \
    *(tb) = *(ta) * *(ta);                  \
  } while (0)
    for (int64_t n = 0; n < l.batch; n++) SUM_STEPS(g, n, sums, DISTANCES);
#undef DISTANCES
    meca_sums_finish(&sums, &g);

    float factors[LANES] = {0};
    for (int c = 0; c < g.channels; c++) {
      double shift = sums.total_a[c] / count;
      double variance = sums.total_b[c] / count - shift * shift;
      if (variance < 0) variance = 0;
      int64_t channel = g.channel + c;
      mean[channel] = (float)(mean[channel] + shift);
      inverse_deviation[channel] = (float)(1.0 / sqrt(variance + (double)epsilon));
      unbiased_variance[channel] = (float)(count > 1 ? variance * (count / (count - 1)) : variance);
      factors[c] = gamma[channel] * inverse_deviation[channel];
    }
    vec centre, factor, offset;
    meca_spread(&centre, &g, mean);
    meca_spread(&offset, &g, beta);
    lane_group local = g;
    local.channel = 0;
    meca_spread(&factor, &local, factors);

#define NORMALISE(at, width, MORE)                     \
  do {                                                 \
    vec v_, r_;                                        \
    meca_load(&v_, x + (at), width, &zero);            \
    v_ = (v_ - centre) * factor + offset;              \
    MORE(at, width);                                   \
    meca_store(y + (at), &v_, width);                  \
  } while (0)
#define PLAIN(at, width) (void)r_
#define RELU(at, width) r_ = v_, meca_where_positive(&v_, &r_)
#define SUM(at, width) meca_load(&r_, residual + (at), width, &zero), v_ += r_
#define SUM_RELU(at, width) SUM(at, width), r_ = v_, meca_where_positive(&v_, &r_)
#define RELU6(at, width) RELU(at, width), meca_limit(&v_)
#define SUM_RELU6(at, width) SUM_RELU(at, width), meca_limit(&v_)
#define PLAIN_STEP(at, width) NORMALISE(at, width, PLAIN)
#define RELU_STEP(at, width) NORMALISE(at, width, RELU)
#define SUM_STEP(at, width) NORMALISE(at, width, SUM)
#define SUM_RELU_STEP(at, width) NORMALISE(at, width, SUM_RELU)
#define RELU6_STEP(at, width) NORMALISE(at, width, RELU6)
#define SUM_RELU6_STEP(at, width) NORMALISE(at, width, SUM_RELU6)
    FOR_IMAGES_BACKWARDS(l, n) {
      if (residual && activation == MECA_RELU) {
        FOR_STEPS(g, n, SUM_RELU_STEP);
      } else if (residual && activation == MECA_RELU6) {
        FOR_STEPS(g, n, SUM_RELU6_STEP);
      } else if (residual) {
        FOR_STEPS(g, n, SUM_STEP);
      } else if (activation == MECA_RELU) {
        FOR_STEPS(g, n, RELU_STEP);
      } else if (activation == MECA_RELU6) {
        FOR_STEPS(g, n, RELU6_STEP);
      } else {
        FOR_STEPS(g, n, PLAIN_STEP);
      }
    }
  }
}

CLONES void meca_batch_norm_backward(meca_layout l, const float *grad_output, const float *x,
                                     const float *y, const float *gamma, const float *beta,
                                     const float *mean, const float *inverse_deviation,
                                     meca_activation activation, float *grad_input,
                                     float *grad_residual, float *grad_gamma, float *grad_beta) {
  const double count = (double)(l.batch * l.plane);
  const vec zero = {0};
  for (int64_t index = 0; index < meca_group_count(l); index++) {
    lane_group g = meca_group(l, index);
    lane_group local = g;
    local.channel = 0;
    vec centre, factor, offset;
    meca_spread(&centre, &g, mean);
    meca_spread(&offset, &g, beta);
    float factors[LANES] = {0};
    for (int c = 0; c < g.channels; c++)
      factors[c] = gamma[g.channel + c] * inverse_deviation[g.channel + c];
    meca_spread(&factor, &local, factors);

    pair_sums sums = {0};
// Lanes behind the end load a gradient of zero, so that they add nothing. The activation is known by
// its result or, which reads less memory, by the same sum as in the forward pass: `y_` of the point's
// distance `x_`. With a residual the gradient behind the activation is written here already.
#define TERMS(at, width, ta, tb, MASK, KEEP)            \
  do {                                                  \
    vec x_, y_;                                         \
    meca_load(ta, grad_output + (at), width, &zero);    \
    meca_load(&x_, x + (at), width, &zero);             \
    x_ -= centre;                                       \
    MASK(ta, at, width);                                \
    KEEP(ta, at, width);                                \
    *(tb) = *(ta) * x_;                                 \
  } while (0)
#define NO_MASK(v, at, width) (void)y_
#define BY_RESULT(v, at, width) \
  meca_load(&y_, y + (at), width, &zero), meca_where_positive(v, &y_)
#define BY_RESULT_6(v, at, width) \
  meca_load(&y_, y + (at), width, &zero), meca_where_inside(v, &y_)
#define BY_SUM(v, at, width) y_ = x_ * factor + offset, meca_where_positive(v, &y_)
#define BY_SUM_6(v, at, width) y_ = x_ * factor + offset, meca_where_inside(v, &y_)
#define DROP(v, at, width) (void)0
#define KEEP(v, at, width) meca_store(grad_residual + (at), v, width)
#define TERMS_PLAIN(at, width, ta, tb) TERMS(at, width, ta, tb, NO_MASK, DROP)
#define TERMS_RESULT(at, width, ta, tb) TERMS(at, width, ta, tb, BY_RESULT, DROP)
#define TERMS_RESULT_6(at, width, ta, tb) TERMS(at, width, ta, tb, BY_RESULT_6, DROP)
#define TERMS_KEPT(at, width, ta, tb) TERMS(at, width, ta, tb, BY_RESULT, KEEP)
#define TERMS_KEPT_6(at, width, ta, tb) TERMS(at, width, ta, tb, BY_RESULT_6, KEEP)
#define TERMS_SUM(at, width, ta, tb) TERMS(at, width, ta, tb, BY_SUM, DROP)
#define TERMS_SUM_6(at, width, ta, tb) TERMS(at, width, ta, tb, BY_SUM_6, DROP)
    for (int64_t n = 0; n < l.batch; n++) {
      if (activation == MECA_NO_ACTIVATION) {
        SUM_STEPS(g, n, sums, TERMS_PLAIN);
      } else if (y && grad_residual) {
        if (activation == MECA_RELU) SUM_STEPS(g, n, sums, TERMS_KEPT);
        else SUM_STEPS(g, n, sums, TERMS_KEPT_6);
      } else if (y) {
        if (activation == MECA_RELU) SUM_STEPS(g, n, sums, TERMS_RESULT);
        else SUM_STEPS(g, n, sums, TERMS_RESULT_6);
      } else {
        if (activation == MECA_RELU) SUM_STEPS(g, n, sums, TERMS_SUM);
        else SUM_STEPS(g, n, sums, TERMS_SUM_6);
      }
    }
    meca_sums_finish(&sums, &g);

    float constants[LANES] = {0}, slopes[LANES] = {0};
    for (int c = 0; c < g.channels; c++) {
      int64_t channel = g.channel + c;
      double inverse = inverse_deviation[channel];
      grad_beta[channel] = (float)sums.total_a[c];
      grad_gamma[channel] = (float)(sums.total_b[c] * inverse);
      constants[c] = (float)(sums.total_a[c] / count);
      slopes[c] = (float)(sums.total_b[c] * inverse * inverse / count);
    }
    vec constant, slope;
    meca_spread(&constant, &local, constants);
    meca_spread(&slope, &local, slopes);

    const float *gradient = activation != MECA_NO_ACTIVATION && grad_residual ? grad_residual
                                                                              : grad_output;
#define DERIVE(at, width, MASK, KEEP)                                          \
  do {                                                                         \
    vec g_, x_, y_;                                                            \
    meca_load(&g_, gradient + (at), width, &zero);                             \
    meca_load(&x_, x + (at), width, &zero);                                    \
    x_ -= centre;                                                              \
    MASK(&g_, at, width);                                                      \
    x_ = factor * ((g_ - constant) - x_ * slope);                              \
    KEEP(&g_, at, width);                                                      \
    meca_store(grad_input + (at), &x_, width);                                 \
  } while (0)
#define STEP_PLAIN(at, width) DERIVE(at, width, NO_MASK, DROP)
#define STEP_KEPT(at, width) DERIVE(at, width, NO_MASK, KEEP)
#define STEP_RESULT(at, width) DERIVE(at, width, BY_RESULT, DROP)
#define STEP_RESULT_6(at, width) DERIVE(at, width, BY_RESULT_6, DROP)
#define STEP_SUM(at, width) DERIVE(at, width, BY_SUM, DROP)
#define STEP_SUM_6(at, width) DERIVE(at, width, BY_SUM_6, DROP)
    FOR_IMAGES_BACKWARDS(l, n) {
      if (activation == MECA_NO_ACTIVATION && grad_residual) {
        FOR_STEPS(g, n, STEP_KEPT);
      } else if (activation == MECA_NO_ACTIVATION || grad_residual) {
        FOR_STEPS(g, n, STEP_PLAIN);
      } else if (y) {
        if (activation == MECA_RELU) FOR_STEPS(g, n, STEP_RESULT);
        else FOR_STEPS(g, n, STEP_RESULT_6);
      } else {
        if (activation == MECA_RELU) FOR_STEPS(g, n, STEP_SUM);
        else FOR_STEPS(g, n, STEP_SUM_6);
      }
    }
  }
}
