#ifndef MECA_WINOGRAD_H
#define MECA_WINOGRAD_H

#include "meca_kernels.h"

// Winograd's F(4x4, 3x3) over activations in blocks of 8 or 16 channels, weights [K / block]
// [C / block][3][3][block inputs][block outputs].
//
// A 4x4 tile of outputs needs a 6x6 tile d of inputs, and is Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A with the
// matrices of Lavin & Gray 2016 (arXiv:1509.09308, section 4.2): 36 multiplications for 144. Summed
// over the channels, ⊙ becomes a matrix product for each of the 36 points, M = V · U:
//   U  G g Gᵀ    [36][panels][C][2 blocks]
//   V  Bᵀ d B    [36][C / block][tiles][block]
//   M            [36][2 blocks][tiles][block], what Aᵀ · A turns into outputs
// The derivative by the weights is that of the same formula: Gᵀ [Σ over tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G.
//
// U is made anew in every call, in pieces that stay in the cache where it is large: reading it from
// memory takes longer. The kernels are there once for each width of a vector; here is what they
// share: where tiles lie, and how the work is cut.

enum { POINTS = 36 };

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Where a tile lies: its image, and its first output point.
typedef struct {
  int64_t image, y, x;
} tile_place;

static inline tile_place place_of(const meca_winograd *w, int64_t tile) {
  const int64_t rows = (w->height + 3) / 4, columns = (w->width + 3) / 4;
  return (tile_place){tile / (rows * columns), tile / columns % rows * 4, tile % columns * 4};
}

// The tile after `at`.
static inline void advance(const meca_winograd *w, tile_place *at) {
  at->x += 4;
  if (at->x < w->width) return;
  at->x = 0;
  at->y += 4;
  if (at->y < w->height) return;
  at->y = 0;
  at->image += 1;
}

// How a convolution is cut. Tiles of a chunk are worked on together, `depth` blocks of input
// channels at a time. A small U is made once and stays (`resident`); of a large one there is a panel
// at a time. The last three are floats from one of the 36 points to the next.
typedef struct {
  int64_t tiles, chunk, depth;
  int resident;
  int64_t v_point, m_point, u_point;
} convolution_plan;

// How a derivative by the weights is cut: in one chunk, whose sums become weights piece by piece,
// or in several, which all sums outlive.
typedef struct {
  int64_t tiles, chunk;
  int64_t v_point, y_point, s_point;
} gradient_plan;

convolution_plan meca_plan_convolution(const meca_winograd *w, int64_t in_blocks,
                                       int64_t out_blocks);
gradient_plan meca_plan_gradient(const meca_winograd *w);

#define DECLARE(block)                                                                         \
  void meca_winograd_convolve_##block(const meca_winograd *w, int by_input, const float *input, \
                                      const float *weights, const meca_ending *ending,          \
                                      float *output, float *work);                              \
  void meca_winograd_weight_gradient_##block(const meca_winograd *w, const float *input,        \
                                             const float *grad_output, float *grad_weights,     \
                                             float *work);
DECLARE(8)
DECLARE(16)
#undef DECLARE

// Floats of U that stay, 2.5 MB: up to 128 x 128 channels.
enum { RESIDENT_FLOATS = 655360 };
// Output blocks of a panel of U, and of Y in the derivative by the weights.
enum { PANEL = 2, GRADIENT_PANEL = 3 };
// Input channels of a derivative by the weights that are worked on together.
enum { GRADIENT_CHANNELS = 64 };

#endif
