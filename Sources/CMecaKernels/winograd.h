#ifndef MECA_WINOGRAD_H
#define MECA_WINOGRAD_H

#include "meca_kernels.h"

// Winograd's F(4x4, 3x3), and its like for stride 2, over activations in blocks of 8 or 16 channels, weights [K / block]
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
// Stride 2 splits rows and columns: of the weights g0 g1 g2 of a line the outer two meet the points at
// odd distances, as a convolution of two weights that F(4, 2) does with five multiplications (points
// 0, 1, -1, 2 and infinity), and g1 alone meets the points between, four multiplications. Nine by nine
// are 81 multiplications for 144. Plain points meet the same weights four at a time, so that there are
// 36 matrices again, five transformed and one plain each way, and those with a plain index meet 4 or
// 16 rows of V for each tile. By input the roles change: 5x5 gradients become 8x8 ones, of which those
// at odd places see the outer weights.
//
// U is made anew in every call, in pieces that stay in the cache where it is large: reading it from
// memory takes longer. The kernels are there once for each width of a vector; here is what they
// share: where tiles lie, and how the work is cut.

enum { POINTS = 36 };

// Where a tile lies: its image, and its first output point.
typedef struct {
  int64_t image, y, x;
} tile_place;

// Points of the output in a direction where the input has `points`.
static inline int64_t outputs_of(const meca_winograd *w, int64_t points) {
  return (points + w->stride - 1) / w->stride;
}

static inline tile_place place_of(const meca_winograd *w, int64_t tile) {
  const int64_t rows = (outputs_of(w, w->height) + 3) / 4;
  const int64_t columns = (outputs_of(w, w->width) + 3) / 4;
  return (tile_place){tile / (rows * columns), tile / columns % rows * 4, tile % columns * 4};
}

// The tile after `at`.
static inline void advance(const meca_winograd *w, tile_place *at) {
  at->x += 4;
  if (at->x < outputs_of(w, w->width)) return;
  at->x = 0;
  at->y += 4;
  if (at->y < outputs_of(w, w->height)) return;
  at->y = 0;
  at->image += 1;
}

// The rows of V, M and Y that meet one of the 36 matrices of U: how many of a tile, and where they
// begin, in units of a row a tile.
typedef struct {
  int64_t rows, place;
} point_rows;

static inline point_rows rows_of_point(const meca_winograd *w, int point) {
  if (w->stride == 1) return (point_rows){1, point};
  const int i = point / 6, j = point % 6;
  return (point_rows){(i < 5 ? 1 : 4) * (j < 5 ? 1 : 4), i < 5 ? i * 9 + j : 45 + 4 * j};
}

// How a convolution is cut. Tiles of a chunk are worked on together, `depth` blocks of input
// channels at a time. A small U is made once and stays (`resident`); of a large one there is a panel
// at a time. The last three are floats from one of the 36 points to the next.
typedef struct {
  int64_t tiles, chunk, depth, places;
  int resident;
  int64_t v_point, m_point, u_point;
} convolution_plan;

// How a derivative by the weights is cut: in one chunk, whose sums become weights piece by piece,
// or in several, which all sums outlive.
typedef struct {
  int64_t tiles, chunk, places;
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
