#include "lanes.h"

CLONES void meca_add(int64_t count, const float *restrict x, float *restrict y) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

INLINE void sgd(int64_t count, const float *restrict grad, float scale, float rate, float momentum,
                float decay, int nesterov, float *restrict velocity, float *restrict weights) {
  for (int64_t i = 0; i < count; i++) {
    float w = weights[i];
    float g = scale * grad[i] + decay * w;
    float v = momentum * velocity[i] + g;
    velocity[i] = v;
    weights[i] = w - rate * (nesterov ? g + momentum * v : v);
  }
}

CLONES void meca_sgd(int64_t count, const float *grad, float scale, float rate, float momentum,
                     float decay, int nesterov, float *velocity, float *weights) {
  if (nesterov)
    sgd(count, grad, scale, rate, momentum, decay, 1, velocity, weights);
  else
    sgd(count, grad, scale, rate, momentum, decay, 0, velocity, weights);
}

CLONES double meca_sum_of_squares(int64_t count, const float *x) {
  double lanes[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int l = 0; l < LANES; l++) lanes[l] += (double)x[i + l] * (double)x[i + l];
  for (int l = 0; i + l < count; l++) lanes[l] += (double)x[i + l] * (double)x[i + l];
  for (int half = LANES / 2; half >= 1; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}
