#ifndef MECA_KERNELS_H
#define MECA_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// Element-wise loops over activations. All run on the calling thread; every sum has one fixed
// order, the same for every instruction set, so that equal inputs give equal bits.

// Memory order [batch][blocks][plane][block]; see ActivationLayout in MecaTensor.
typedef struct {
  int64_t batch, channels, blocks, plane, block;
} meca_layout;

// Training-mode normalisation; see batchNormForward in MecaTensor. residual may be NULL.
void meca_batch_norm_forward(meca_layout layout, const float *x, const float *residual,
                             const float *gamma, const float *beta, float epsilon, int relu,
                             float *y, float *mean, float *inverse_deviation,
                             float *unbiased_variance);
// Its derivative; y is read only if relu; grad_residual may be NULL or equal grad_output.
void meca_batch_norm_backward(meca_layout layout, const float *grad_output, const float *x,
                              const float *y, const float *gamma, const float *mean,
                              const float *inverse_deviation, int relu, float *grad_input,
                              float *grad_residual, float *grad_gamma, float *grad_beta);
// y = relu(scale[c]·x + shift[c] + residual); residual may be NULL.
void meca_scale_forward(meca_layout layout, const float *x, const float *residual,
                        const float *scale, const float *shift, int relu, float *y);
// grad_input = scale[c]·g, grad_residual = g (may be NULL), g = grad_output where y > 0.
void meca_scale_backward(meca_layout layout, const float *grad_output, const float *y,
                         const float *scale, int relu, float *grad_input, float *grad_residual);
// output[n][c] = mean over the plane.
void meca_average_pool_forward(meca_layout layout, const float *x, float *output);
void meca_average_pool_backward(meca_layout layout, const float *grad_output, float *grad_input);
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

// y = y + x.
void meca_add(int64_t count, const float *x, float *y);
// v = momentum·v + g, w = w − rate·(nesterov ? g + momentum·v : v), g = scale·grad + decay·w.
void meca_sgd(int64_t count, const float *grad, float scale, float rate, float momentum,
              float decay, int nesterov, float *velocity, float *weights);
// Σ x², in double over 16 lanes, lanes added pairwise.
double meca_sum_of_squares(int64_t count, const float *x);

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

// Size of a 3x3 convolution with stride 1 and padding 1 over activations in blocks of 8 channels,
// and how many of its 4x4 tiles are worked on together. By input, the blocks change places.
typedef struct {
  int64_t batch, in_blocks, out_blocks, height, width, chunk;
} meca_winograd;
// Floats of one set of transformed weights, and of temporary memory; gradient: by weights.
int64_t meca_winograd_weight_floats(meca_winograd w);
int64_t meca_winograd_work_floats(meca_winograd w, int gradient);
// Transforms weights [out_blocks][in_blocks][3][3][8 in][8 out] for both directions.
void meca_winograd_weights(meca_winograd w, const float *weights, float *forward,
                           float *backward);
// output = input * weights, with transformed weights.
void meca_winograd_convolve(meca_winograd w, const float *input, const float *weights,
                            float *output, float *work);
// Overwrites grad_weights, in the order of meca_winograd_weights.
void meca_winograd_weight_gradient(meca_winograd w, const float *input, const float *grad_output,
                                   float *grad_weights, float *work);

#endif
