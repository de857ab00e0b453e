#include "pointwise.h"

int64_t meca_pointwise_work_floats(meca_pointwise p) {
  // Weights, scaled or transposed, and a line of two blocks of results.
  return p.in_blocks * p.out_blocks * p.block * p.block + 2 * p.width * p.block;
}

void meca_pointwise_forward(meca_pointwise p, const float *input, const float *weights,
                            const meca_ending *ending, float *output, float *work) {
  if (p.block == 16) {
    meca_pointwise_forward_16(&p, input, weights, ending, output, work);
    return;
  }
  meca_pointwise_forward_8(&p, input, weights, ending, output, work);
}

void meca_pointwise_input_gradient(meca_pointwise p, const float *grad_output,
                                   const float *weights, const float *scale, float *grad_input,
                                   float *work) {
  if (p.block == 16) {
    meca_pointwise_input_gradient_16(&p, grad_output, weights, scale, grad_input, work);
    return;
  }
  meca_pointwise_input_gradient_8(&p, grad_output, weights, scale, grad_input, work);
}

void meca_pointwise_weight_gradient(meca_pointwise p, const float *input,
                                    const float *grad_output, float *grad_weights) {
  if (p.block == 16) {
    meca_pointwise_weight_gradient_16(&p, input, grad_output, grad_weights);
    return;
  }
  meca_pointwise_weight_gradient_8(&p, input, grad_output, grad_weights);
}
