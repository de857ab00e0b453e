#include <math.h>

#include "sums.h"

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
#define STEP_PLAIN(at, width) NORMALISE(at, width, PLAIN)
#define STEP_RELU(at, width) NORMALISE(at, width, RELU)
#define STEP_SUM(at, width) NORMALISE(at, width, SUM)
#define STEP_SUM_RELU(at, width) NORMALISE(at, width, SUM_RELU)
#define STEP_RELU6(at, width) NORMALISE(at, width, RELU6)
#define STEP_SUM_RELU6(at, width) NORMALISE(at, width, SUM_RELU6)
    for (int64_t n = 0; n < l.batch; n++) {
      if (residual && activation == MECA_RELU) {
        FOR_STEPS(g, n, STEP_SUM_RELU);
      } else if (residual && activation == MECA_RELU6) {
        FOR_STEPS(g, n, STEP_SUM_RELU6);
      } else if (residual) {
        FOR_STEPS(g, n, STEP_SUM);
      } else if (activation == MECA_RELU) {
        FOR_STEPS(g, n, STEP_RELU);
      } else if (activation == MECA_RELU6) {
        FOR_STEPS(g, n, STEP_RELU6);
      } else {
        FOR_STEPS(g, n, STEP_PLAIN);
      }
    }
  }
}

CLONES void meca_batch_norm_backward(meca_layout l, const float *grad_output, const float *x,
                                     const float *y, const float *gamma, const float *mean,
                                     const float *inverse_deviation,
                                     meca_activation activation, float *grad_input,
                                     float *grad_residual, float *grad_gamma, float *grad_beta) {
  const double count = (double)(l.batch * l.plane);
  const vec zero = {0};
  for (int64_t index = 0; index < meca_group_count(l); index++) {
    lane_group g = meca_group(l, index);
    vec centre;
    meca_spread(&centre, &g, mean);

    pair_sums sums = {0};
// Lanes behind the end load a gradient of zero, so that they add nothing.
#define TERMS_PLAIN(at, width, ta, tb)                  \
  do {                                                  \
    vec x_;                                             \
    meca_load(ta, grad_output + (at), width, &zero);    \
    meca_load(&x_, x + (at), width, &zero);             \
    *(tb) = *(ta) * (x_ - centre);                      \
  } while (0)
#define TERMS_MASKED(at, width, ta, tb, WHERE)          \
  do {                                                  \
    vec x_, y_;                                         \
    meca_load(ta, grad_output + (at), width, &zero);    \
    meca_load(&x_, x + (at), width, &zero);             \
    meca_load(&y_, y + (at), width, &zero);             \
    WHERE(ta, &y_);                                     \
    *(tb) = *(ta) * (x_ - centre);                      \
  } while (0)
#define TERMS_RELU(at, width, ta, tb) TERMS_MASKED(at, width, ta, tb, meca_where_positive)
#define TERMS_RELU6(at, width, ta, tb) TERMS_MASKED(at, width, ta, tb, meca_where_inside)
    for (int64_t n = 0; n < l.batch; n++) {
      if (activation == MECA_RELU) {
        SUM_STEPS(g, n, sums, TERMS_RELU);
      } else if (activation == MECA_RELU6) {
        SUM_STEPS(g, n, sums, TERMS_RELU6);
      } else {
        SUM_STEPS(g, n, sums, TERMS_PLAIN);
      }
    }
    meca_sums_finish(&sums, &g);

    float factors[LANES] = {0}, constants[LANES] = {0}, slopes[LANES] = {0};
    for (int c = 0; c < g.channels; c++) {
      int64_t channel = g.channel + c;
      double inverse = inverse_deviation[channel];
      grad_beta[channel] = (float)sums.total_a[c];
      grad_gamma[channel] = (float)(sums.total_b[c] * inverse);
      factors[c] = gamma[channel] * inverse_deviation[channel];
      constants[c] = (float)(sums.total_a[c] / count);
      slopes[c] = (float)(sums.total_b[c] * inverse * inverse / count);
    }
    vec factor, constant, slope;
    lane_group local = g;
    local.channel = 0;
    meca_spread(&factor, &local, factors);
    meca_spread(&constant, &local, constants);
    meca_spread(&slope, &local, slopes);

#define DERIVE(at, width, MASK, PASS)                                          \
  do {                                                                         \
    vec g_, x_, y_;                                                            \
    meca_load(&g_, grad_output + (at), width, &zero);                          \
    meca_load(&x_, x + (at), width, &zero);                                    \
    MASK(at, width);                                                           \
    x_ = factor * ((g_ - constant) - (x_ - centre) * slope);                   \
    PASS(at, width);                                                           \
    meca_store(grad_input + (at), &x_, width);                                 \
  } while (0)
#define NO_MASK(at, width) (void)y_
#define MASK(at, width) meca_load(&y_, y + (at), width, &zero), meca_where_positive(&g_, &y_)
#define MASK6(at, width) meca_load(&y_, y + (at), width, &zero), meca_where_inside(&g_, &y_)
#define NO_PASS(at, width) (void)0
#define PASS(at, width) meca_store(grad_residual + (at), &g_, width)
#define STEP_A(at, width) DERIVE(at, width, NO_MASK, NO_PASS)
#define STEP_B(at, width) DERIVE(at, width, NO_MASK, PASS)
#define STEP_C(at, width) DERIVE(at, width, MASK, NO_PASS)
#define STEP_D(at, width) DERIVE(at, width, MASK, PASS)
#define STEP_E(at, width) DERIVE(at, width, MASK6, NO_PASS)
#define STEP_F(at, width) DERIVE(at, width, MASK6, PASS)
    for (int64_t n = 0; n < l.batch; n++) {
      if (activation == MECA_RELU && grad_residual) {
        FOR_STEPS(g, n, STEP_D);
      } else if (activation == MECA_RELU) {
        FOR_STEPS(g, n, STEP_C);
      } else if (activation == MECA_RELU6 && grad_residual) {
        FOR_STEPS(g, n, STEP_F);
      } else if (activation == MECA_RELU6) {
        FOR_STEPS(g, n, STEP_E);
      } else if (grad_residual) {
        FOR_STEPS(g, n, STEP_B);
      } else {
        FOR_STEPS(g, n, STEP_A);
      }
    }
  }
}
