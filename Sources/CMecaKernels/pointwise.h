#ifndef MECA_POINTWISE_H
#define MECA_POINTWISE_H

#include "meca_kernels.h"

// Convolutions with kernels of 1x1 as products of matrices: a row of output points is that many rows of
// one, whose columns are the channels of the points that the stride leads to. Nothing is copied. Sums
// go through the channels in order, by weights through the points of all images.

// Points of the output in a direction where the input has `points`.
static inline int64_t pointwise_outputs(const meca_pointwise *p, int64_t points) {
  return (points + p->stride - 1) / p->stride;
}

#define DECLARE(block)                                                                             \
  void meca_pointwise_forward_##block(const meca_pointwise *p, const float *input,                 \
                                      const float *weights, const meca_ending *ending,             \
                                      float *output, float *work);                                 \
  void meca_pointwise_input_gradient_##block(const meca_pointwise *p, const float *grad_output,    \
                                             const float *weights, const float *scale,             \
                                             float *grad_input, float *work);                      \
  void meca_pointwise_weight_gradient_##block(const meca_pointwise *p, const float *input,         \
                                              const float *grad_output, float *grad_weights);
DECLARE(8)
DECLARE(16)
#undef DECLARE

#endif
