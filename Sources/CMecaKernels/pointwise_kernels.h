// Included once for each width of a vector; BLOCK is the number of its floats.

#include <string.h>

#include "block_products.h"
#include "pointwise.h"

// Results of `points` points from `blocks` blocks of channels that lie `jump` floats apart, points
// `stride` apart; what the compiler knows of distances makes it several times as fast.
TARGET static void multiply_row(int64_t stride, int64_t points, int64_t width, int64_t blocks,
                                const float *a, int64_t jump, const float *b, int64_t b_vector,
                                float *c, int64_t c_row, int64_t c_vector) {
  if (stride == 2)
    product_of_rows(points, width, 0, blocks, BLOCK, a, 2 * BLOCK, 1, jump, b, BLOCK, b_vector, c,
                    c_row, c_vector);
  else if (stride == 1)
    product_of_rows(points, width, 0, blocks, BLOCK, a, BLOCK, 1, jump, b, BLOCK, b_vector, c,
                    c_row, c_vector);
  else
    product_of_rows(points, width, 0, blocks, BLOCK, a, stride * BLOCK, 1, jump, b, BLOCK,
                    b_vector, c, c_row, c_vector);
}

// Adds up a block of inputs of points `step` apart times the gradient, over `rows` rows.
TARGET static void correlate(int64_t width, int more, int64_t rows, int64_t points, const float *a,
                             int64_t step, int64_t jump, const float *b, int64_t b_vector, float *c,
                             int64_t c_vector) {
  product_of_rows(BLOCK, width, more, rows, (int)points, a, 1, step, jump, b, BLOCK, b_vector, c,
                  BLOCK, c_vector);
}

// activation(sums + shift + residual) of `points` points from `place` on.
INLINE void finish_points(const meca_ending *ending, int64_t channel, const float *sums,
                          int64_t place, int64_t points, float *output) {
  const vec shift = *(const vec_memory *)(ending->shift + channel);
  const vec_memory *residual = (const vec_memory *)ending->residual;
  const meca_activation activation = ending->activation;
  for (int64_t i = 0; i < points; i++) {
    vec value = ((const vec_memory *)sums)[i] + shift;
    if (residual) value += residual[place + i];
    if (activation != MECA_NO_ACTIVATION) value = where_positive(value);
    if (activation == MECA_RELU6) value = limited(value);
    ((vec_memory *)output)[place + i] = value;
  }
}

TARGET void NAME(meca_pointwise_forward)(const meca_pointwise *p, const float *input,
                                         const float *weights, const meca_ending *ending,
                                         float *output, float *work) {
  const int64_t inputs = p->in_blocks * BLOCK, plane = p->height * p->width;
  const int64_t height = pointwise_outputs(p, p->height), width = pointwise_outputs(p, p->width);
  float *line = work + p->out_blocks * BLOCK * inputs;
  if (ending) {
    for (int64_t k = 0; k < p->out_blocks; k++) {
      const vec factor = *(const vec_memory *)(ending->scale + k * BLOCK);
      for (int64_t i = k * inputs; i < (k + 1) * inputs; i++)
        ((vec_memory *)work)[i] = factor * ((const vec_memory *)weights)[i];
    }
    weights = work;
  }
  for (int64_t n = 0; n < p->batch; n++)
    for (int64_t k = 0; k < p->out_blocks; k += 2)
      for (int64_t y = 0; y < height; y++) {
        const int64_t pair = smaller(2, p->out_blocks - k);
        const int64_t place = ((n * p->out_blocks + k) * height + y) * width;
        // With an ending by way of a line, since the residual may be the output itself.
        float *target = ending ? line : output + place * BLOCK;
        const int64_t block = (ending ? width : height * width) * BLOCK;
        multiply_row(p->stride, width, pair, p->in_blocks,
                     input + (n * p->in_blocks * plane + y * p->stride * p->width) * BLOCK,
                     plane * BLOCK, weights + k * BLOCK * inputs, BLOCK * inputs, target, BLOCK,
                     block);
        for (int64_t b = 0; ending && b < pair; b++)
          finish_points(ending, (k + b) * BLOCK, line + b * block, place + b * height * width,
                        width, output);
      }
}

// Weights become [C / BLOCK][K][BLOCK inputs], scaled. The result is zero where no stride leads.
TARGET void NAME(meca_pointwise_input_gradient)(const meca_pointwise *p, const float *grad_output,
                                                const float *weights, const float *scale,
                                                float *grad_input, float *work) {
  const int64_t inputs = p->in_blocks * BLOCK, outputs = p->out_blocks * BLOCK;
  const int64_t plane = p->height * p->width;
  const int64_t height = pointwise_outputs(p, p->height), width = pointwise_outputs(p, p->width);
  for (int64_t k = 0; k < outputs; k++)
    for (int64_t c = 0; c < inputs; c++)
      work[(c / BLOCK * outputs + k) * BLOCK + c % BLOCK] =
          weights[(k / BLOCK * inputs + c) * BLOCK + k % BLOCK] * (scale ? scale[k] : 1);
  for (int64_t n = 0; n < p->batch; n++) {
    const float *gradient = grad_output + n * outputs * height * width;
    float *image = grad_input + n * inputs * plane;
    memset(image, 0, (size_t)(inputs * plane) * sizeof(float));
    for (int64_t c = 0; c < p->in_blocks; c += 2)
      for (int64_t y = 0; y < height; y++)
        multiply_row(1, width, smaller(2, p->in_blocks - c), p->out_blocks,
                     gradient + y * width * BLOCK, height * width * BLOCK,
                     work + c * outputs * BLOCK, outputs * BLOCK,
                     image + (c * plane + y * p->stride * p->width) * BLOCK, p->stride * BLOCK,
                     plane * BLOCK);
  }
}

TARGET void NAME(meca_pointwise_weight_gradient)(const meca_pointwise *p, const float *input,
                                                 const float *grad_output, float *grad_weights) {
  const int64_t inputs = p->in_blocks * BLOCK, plane = p->height * p->width;
  const int64_t height = pointwise_outputs(p, p->height), width = pointwise_outputs(p, p->width);
  for (int64_t n = 0; n < p->batch; n++)
    for (int64_t k = 0; k < p->out_blocks; k += 2)
      for (int64_t c = 0; c < p->in_blocks; c++)
        correlate(smaller(2, p->out_blocks - k), n > 0, height, width,
                  input + (n * p->in_blocks + c) * plane * BLOCK, p->stride * BLOCK,
                  p->stride * p->width * BLOCK,
                  grad_output + (n * p->out_blocks + k) * height * width * BLOCK,
                  height * width * BLOCK, grad_weights + (k * inputs + c * BLOCK) * BLOCK,
                  inputs * BLOCK);
}
