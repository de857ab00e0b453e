#ifndef MECA_KERNELS_H
#define MECA_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// All run on the calling thread, and every sum has one fixed order, so that equal inputs give equal
// bits; the element-wise loops also on every instruction set.

// Memory order [batch][blocks][plane][block]; see ActivationLayout in MecaTensor.
typedef struct {
  int64_t batch, channels, blocks, plane, block;
} meca_layout;

// What follows a normalisation: nothing, max(0, y), min(max(0, y), 6).
typedef enum { MECA_NO_ACTIVATION, MECA_RELU, MECA_RELU6 } meca_activation;
#define MECA_RELU6_LIMIT 6.0f

// Training-mode normalisation; see batchNormForward in MecaTensor. residual may be NULL.
void meca_batch_norm_forward(meca_layout layout, const float *x, const float *residual,
                             const float *gamma, const float *beta, float epsilon,
                             meca_activation activation, float *y, float *mean,
                             float *inverse_deviation, float *unbiased_variance);
// Its derivative; y is read only with an activation and may be NULL where there was no residual, beta
// is read instead; grad_residual may be NULL or equal grad_output.
void meca_batch_norm_backward(meca_layout layout, const float *grad_output, const float *x,
                              const float *y, const float *gamma, const float *beta,
                              const float *mean, const float *inverse_deviation,
                              meca_activation activation, float *grad_input,
                              float *grad_residual, float *grad_gamma, float *grad_beta);
// y = activation(scale[c]·x + shift[c] + residual); residual may be NULL.
void meca_scale_forward(meca_layout layout, const float *x, const float *residual,
                        const float *scale, const float *shift, meca_activation activation, float *y);
// grad_input = scale[c]·g, grad_residual = g (may be NULL), g = grad_output where the activation
// lets it through.
void meca_scale_backward(meca_layout layout, const float *grad_output, const float *y,
                         const float *scale, meca_activation activation, float *grad_input,
                         float *grad_residual);
// gradient = gradient where the activation that gave y lets it through, else 0.
void meca_mask(int64_t count, const float *y, meca_activation activation, float *gradient);
// output[n][c] = mean over the plane.
void meca_average_pool_forward(meca_layout layout, const float *x, float *output);
void meca_average_pool_backward(meca_layout layout, const float *grad_output, float *grad_input);
// Size of a pooling over square windows of activations in blocks of `block` channels, points row by
// row; a window has at least one point of the plane and 256 at most.
typedef struct {
  int64_t batch, blocks, block, height, width, out_height, out_width, kernel, stride, padding;
} meca_pool;
// y = the window's largest value; taps, unless NULL, receives its place r·kernel + s in the window,
// the first one where several are equal.
void meca_max_pool_forward(meca_pool p, const float *x, float *y, uint8_t *taps);
// Overwrites grad_input with the sum of grad_output over the windows whose largest value it was.
void meca_max_pool_backward(meca_pool p, const float *grad_output, const uint8_t *taps,
                            float *grad_input);
// (raw − mean[c]) · inverse_deviation[c], from NCHW to the layout; and its derivative back.
void meca_load_images(meca_layout layout, const float *raw, const float *mean,
                      const float *inverse_deviation, float *output);
void meca_unload_image_gradient(meca_layout layout, const float *gradient,
                                const float *inverse_deviation, float *raw_gradient);
// Between NCHW and the layout, padding set to zero.
void meca_pack(meca_layout layout, const float *nchw, float *output);
void meca_unpack(meca_layout layout, const float *input, float *nchw);
// The same channels in blocks of another size, of which one divides the other; what is added is 0.
void meca_reblock(meca_layout from, const float *input, meca_layout to, float *output);

// x rounded to bfloat16: as such, and as floats.
void meca_to_bfloat16(int64_t count, const float *x, uint16_t *y);
void meca_round_to_bfloat16(int64_t count, const float *x, float *y);

// y = y + x.
void meca_add(int64_t count, const float *x, float *y);
// v = momentum·v + g, w = w − rate·(nesterov ? g + momentum·v : v), g = scale·grad + decay·w.
void meca_sgd(int64_t count, const float *grad, float scale, float rate, float momentum,
              float decay, int nesterov, float *velocity, float *weights);
// Σ x², in double over 16 lanes, lanes added pairwise.
double meca_sum_of_squares(int64_t count, const float *x);

// Runs fused multiply-adds from registers, as wide as the processor has them, and returns how many
// operations (two for each number); 0 where it has none. sink keeps the compiler from skipping them.
double meca_multiply_add(int64_t rounds, volatile float *sink);
// What processor and system offer: 512 with AVX-512 F, CD, BW, DQ and VL, 256 with AVX2 and FMA,
// else 0.
int meca_processor_vectors(void);

// Size of a convolution over channels-last images, and its column matrix
// [images][out_height·out_width][kernel·kernel·channels].
typedef struct {
  int64_t channels, height, width, kernel, stride, padding, out_height, out_width;
} meca_geometry;
void meca_images_to_columns(meca_geometry geometry, int64_t images, const float *input,
                            float *columns);
// Adds every column entry back to the point it was taken from; overwrites output.
void meca_columns_to_images(meca_geometry geometry, int64_t images, const float *columns,
                            float *output);

// Size of a convolution in which every channel has one kernel of its own, over activations in
// blocks of `block` channels, points row by row. Weights are [kernel·kernel][blocks·block].
typedef struct {
  int64_t batch, blocks, block, height, width, out_height, out_width, kernel, stride, padding;
} meca_depthwise;
// output = input * weights.
void meca_depthwise_forward(meca_depthwise d, const float *input, const float *weights,
                            float *output);
// Overwrites grad_input.
void meca_depthwise_backward_input(meca_depthwise d, const float *grad_output,
                                   const float *weights, float *grad_input);
// Floats of temporary memory that the gradient by weights needs.
int64_t meca_depthwise_work_floats(meca_depthwise d);
// Overwrites grad_weights.
void meca_depthwise_backward_weights(meca_depthwise d, const float *input,
                                     const float *grad_output, float *grad_weights, float *work);
// Copies `count` channels of every point: from channel `first` of the input on to channel `target`
// of the output on. The layouts differ in channels and blocks alone.
void meca_copy_channels(meca_layout from, const float *input, int64_t first, meca_layout to,
                        float *output, int64_t target, int64_t count);

// Size of a 3x3 convolution with stride 1 or 2 and padding 1 over activations in blocks of 8 or 16
// channels, height and width those of the input; on x86 16 wants AVX-512, 8 AVX2. The input may be a
// plain image of `plain` channels, 1 to 4, else 0; then stride and in_blocks are 1.
typedef struct {
  int64_t batch, in_blocks, out_blocks, height, width, block, stride, plain;
} meca_winograd;
// What evaluation puts around a convolution: kernels times scale[k], then
// activation(output + shift[k] + residual). Whole blocks of scale and shift; residual may be NULL or
// the output itself.
typedef struct {
  const float *scale, *shift, *residual;
  meca_activation activation;
} meca_ending;
// Floats of temporary memory of all directions; without training none by weights.
int64_t meca_winograd_work_floats(meca_winograd w, int training);
// output = input * weights; by_input: output is the gradient by the input, input that of the output.
// Weights are [out_blocks][in_blocks][3][3][block in][block out]. ending may be NULL; by_input takes
// its scale alone.
void meca_winograd_convolve(meca_winograd w, int by_input, const float *input,
                            const float *weights, const meca_ending *ending, float *output,
                            float *work);
// Overwrites grad_weights, in the order of the weights.
void meca_winograd_weight_gradient(meca_winograd w, const float *input, const float *grad_output,
                                   float *grad_weights, float *work);

// Size of a convolution with kernels of 1x1 over activations in blocks of 8 or 16 channels, height and
// width those of the input; vectors as above.
typedef struct {
  int64_t batch, in_blocks, out_blocks, height, width, block, stride;
} meca_pointwise;
// Floats of temporary memory of the first two directions.
int64_t meca_pointwise_work_floats(meca_pointwise p);
// output = input * weights, which are [out_blocks][in_blocks][block in][block out]; ending may be NULL.
void meca_pointwise_forward(meca_pointwise p, const float *input, const float *weights,
                            const meca_ending *ending, float *output, float *work);
// Overwrites grad_input with the derivative by it of scale[k] · output; scale may be NULL.
void meca_pointwise_input_gradient(meca_pointwise p, const float *grad_output,
                                   const float *weights, const float *scale, float *grad_input,
                                   float *work);
// Overwrites grad_weights, in the order of the weights.
void meca_pointwise_weight_gradient(meca_pointwise p, const float *input,
                                    const float *grad_output, float *grad_weights);

#endif
