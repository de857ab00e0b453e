// Included once for each width of a vector; BLOCK is the number of its floats.
//
// Every number is one chain of fused multiply-adds in the order of the channels (or tiles), wherever
// its tile lies and however the work is cut: the bits of an image do not depend on its neighbours.

#include <string.h>

#include "winograd.h"

#if BLOCK == 16 && defined(__x86_64__)
enum { ROWS = 12, GRADIENT_ROWS = 8 };
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")))
#elif BLOCK == 16
enum { ROWS = 12, GRADIENT_ROWS = 8 };
#define TARGET
#elif defined(__x86_64__)
enum { ROWS = 6, GRADIENT_ROWS = 4 };
#define TARGET __attribute__((target("avx2,fma")))
#else
enum { ROWS = 6, GRADIENT_ROWS = 4 };
#define TARGET
#endif
// Keeps the compiler from loading several of them ahead: the sums take the other registers.
#if defined(__x86_64__) && BLOCK == 8
#define ONE_AT_A_TIME(value) __asm__ volatile("" : "+x"(value))
#else
#define ONE_AT_A_TIME(value) (void)(value)
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef float vec __attribute__((vector_size(4 * BLOCK)));
typedef int32_t bits __attribute__((vector_size(4 * BLOCK)));
// The same in memory, wherever it begins.
typedef float vec_memory __attribute__((vector_size(4 * BLOCK), aligned(4), may_alias));

INLINE vec all_lanes(float x) {
#if BLOCK == 16
  return (vec){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#else
  return (vec){x, x, x, x, x, x, x, x};
#endif
}
INLINE vec fused(float factor, vec x, vec y) {
  return __builtin_elementwise_fma(all_lanes(factor), x, y);
}

// MARK: transformations of one row or column, results `out` vectors apart

// Bᵀ: six to six.
INLINE void times_b(const vec *d, vec *r, int out) {
  vec a = fused(-4, d[2], d[4]), b = fused(-4, d[1], d[3]);
  vec c = d[4] - d[2], e = d[3] - d[1];
  r[0 * out] = fused(4, d[0] - d[2], c);
  r[1 * out] = a + b;
  r[2 * out] = a - b;
  r[3 * out] = fused(2, e, c);
  r[4 * out] = fused(-2, e, c);
  r[5 * out] = fused(-4, e, d[5] - d[3]);
}

// Aᵀ: six to four.
INLINE void times_a(const vec *m, vec *r, int out) {
  vec a = m[1] + m[2], b = m[1] - m[2];
  vec c = m[3] + m[4], d = m[3] - m[4];
  r[0 * out] = m[0] + a + c;
  r[1 * out] = fused(2, d, b);
  r[2 * out] = fused(4, c, a);
  r[3 * out] = fused(8, d, b) + m[5];
}

// A: four to six.
INLINE void times_a_transposed(const vec *y, vec *r, int out) {
  vec a = y[0] + y[2], b = y[1] + y[3];
  vec c = fused(4, y[2], y[0]), d = fused(4, y[3], y[1]);
  r[0 * out] = y[0];
  r[1 * out] = a + b;
  r[2 * out] = a - b;
  r[3 * out] = fused(2, d, c);
  r[4 * out] = fused(-2, d, c);
  r[5 * out] = y[3];
}

// G: three to six.
INLINE void times_g(const vec *g, int step, vec *r, int out) {
  vec a = -1.0f / 6 * (g[0 * step] + g[2 * step]), b = -1.0f / 6 * g[1 * step];
  vec c = fused(1.0f / 24, g[0 * step], 1.0f / 6 * g[2 * step]), d = 1.0f / 12 * g[1 * step];
  r[0 * out] = 0.25f * g[0 * step];
  r[1 * out] = a + b;
  r[2 * out] = a - b;
  r[3 * out] = c + d;
  r[4 * out] = c - d;
  r[5 * out] = g[2 * step];
}

// Gᵀ: six to three.
INLINE void times_g_transposed(const vec *u, int step, vec *r, int out) {
  vec a = -1.0f / 6 * (u[1 * step] + u[2 * step]), b = u[3 * step] + u[4 * step];
  r[0 * out] = fused(0.25f, u[0 * step], fused(1.0f / 24, b, a));
  r[1 * out] =
      fused(1.0f / 6, u[2 * step] - u[1 * step], 1.0f / 12 * (u[3 * step] - u[4 * step]));
  r[2 * out] = fused(1.0f / 6, b, a) + u[5 * step];
}

// MARK: weights

// Rows become columns: in each step rows `d` apart change the elements that lie `d` apart.
INLINE void transpose(vec *rows) {
#if BLOCK == 16
#define LIST(f, d) f(0, d), f(1, d), f(2, d), f(3, d), f(4, d), f(5, d), f(6, d), f(7, d), \
  f(8, d), f(9, d), f(10, d), f(11, d), f(12, d), f(13, d), f(14, d), f(15, d)
#else
#define LIST(f, d) f(0, d), f(1, d), f(2, d), f(3, d), f(4, d), f(5, d), f(6, d), f(7, d)
#endif
#define UPPER(i, d) ((i) & (d) ? BLOCK + (i) - (d) : (i))
#define LOWER(i, d) ((i) & (d) ? BLOCK + (i) : (i) + (d))
#define STEP(d)                                                            \
  for (int r = 0; r < BLOCK; r++) {                                        \
    if (r & (d)) continue;                                                 \
    vec a = rows[r], b = rows[r + (d)];                                    \
    rows[r] = __builtin_shufflevector(a, b, LIST(UPPER, d));               \
    rows[r + (d)] = __builtin_shufflevector(a, b, LIST(LOWER, d));         \
  }
#pragma clang loop unroll(full)
  STEP(1)
#pragma clang loop unroll(full)
  STEP(2)
#pragma clang loop unroll(full)
  STEP(4)
#if BLOCK == 16
#pragma clang loop unroll(full)
  STEP(8)
#endif
#undef STEP
#undef LIST
}

// G g Gᵀ of the kernels from a block of input channels to one of output channels, to U's rows
// `target + input · row`, points `point` apart. By input the two change roles, and the kernels are
// turned by half a circle.
TARGET static void block_to_points(const float *weights, const float *scale, int by_input,
                                   float *target, int64_t row, int64_t point) {
  const vec_memory *plain = (const vec_memory *)weights;
  const vec factor = scale ? *(const vec_memory *)scale : all_lanes(1);
  vec g[9][BLOCK];
  for (int p = 0; p < 9; p++) {
    vec *rows = g[by_input ? 8 - p : p];
    for (int i = 0; i < BLOCK; i++)
      rows[i] = scale ? factor * plain[p * BLOCK + i] : plain[p * BLOCK + i];
    if (by_input) transpose(rows);
  }
  for (int i = 0; i < BLOCK; i++) {
    vec half[18];
    for (int j = 0; j < 3; j++) times_g(&g[j][i], 3 * BLOCK, half + j, 3);
    for (int j = 0; j < 6; j++) {
      vec u[6];
      times_g(half + j * 3, 1, u, 1);
      for (int p = 0; p < 6; p++) *(vec_memory *)(target + i * row + (j * 6 + p) * point) = u[p];
    }
  }
}

// U [points][channels][panel · BLOCK] for `width` output blocks from `k` and `blocks` input blocks
// from `from`.
TARGET static void weights_to_panel(const meca_winograd *w, const float *weights,
                                    const float *scale, int by_input, int64_t k, int64_t width,
                                    int64_t from, int64_t blocks, float *u, int64_t point) {
  for (int64_t o = 0; o < width; o++)
    for (int64_t i = 0; i < blocks; i++) {
      int64_t out = k + o, in = from + i;
      int64_t place = by_input ? in * w->in_blocks + out : out * w->in_blocks + in;
      block_to_points(weights + place * 9 * BLOCK * BLOCK,
                      scale ? scale + (by_input ? in : out) * BLOCK : 0, by_input,
                      u + i * BLOCK * width * BLOCK + o * BLOCK, width * BLOCK, point);
    }
}

// MARK: tiles

// Rows of a tile; those outside of the image are `zeros`, so that nobody copies its edges.
typedef struct {
  const vec_memory *rows[6];
  // Columns from `left` to `right` - 1 lie in the image.
  int64_t left, right;
} tile_rows;

static const float zeros[6 * BLOCK];

// The rows of `count` x `count` points from (y, x), which may lie outside.
INLINE tile_rows rows_of_tile(const meca_winograd *w, const vec_memory *image, int64_t y, int64_t x,
                              int count) {
  tile_rows tile;
#pragma clang loop unroll(full)
  for (int i = 0; i < count; i++)
    tile.rows[i] = y + i >= 0 && y + i < w->height ? image + (y + i) * w->width + x
                                                   : (const vec_memory *)zeros;
  tile.left = x < 0 ? -x : 0;
  tile.right = smaller(count, w->width - x);
  return tile;
}

// One column of a tile, zeros where it lies outside.
INLINE void column_of_tile(const tile_rows *tile, int64_t column, int count, vec *values) {
  const int inside = column >= tile->left && column < tile->right;
#pragma clang loop unroll(full)
  for (int i = 0; i < count; i++) values[i] = inside ? tile->rows[i][column] : (vec){0};
}

// Bᵀ d B of tiles of an activation with `blocks` blocks; zeros outside of the image.
TARGET static void inputs_to_points(const meca_winograd *w, int64_t blocks, const float *input,
                                    int64_t first, int64_t count, int64_t point, float *v) {
  const int64_t plane = w->height * w->width;
  for (int64_t b = 0; b < blocks; b++) {
    tile_place at = place_of(w, first);
    for (int64_t t = 0; t < count; t++, advance(w, &at)) {
      const vec_memory *image = (const vec_memory *)input + (at.image * blocks + b) * plane;
      const tile_rows tile = rows_of_tile(w, image, at.y - 1, at.x - 1, 6);
      vec half[POINTS];
      for (int j = 0; j < 6; j++) {
        vec column[6];
        column_of_tile(&tile, j, 6, column);
        times_b(column, half + j, 6);
      }
      float *target = v + (b * count + t) * BLOCK;
      for (int i = 0; i < 6; i++) {
        vec row[6];
        times_b(half + i * 6, row, 1);
        for (int j = 0; j < 6; j++) *(vec_memory *)(target + (i * 6 + j) * point) = row[j];
      }
    }
  }
}

// A dY Aᵀ; zeros outside of the image.
TARGET static void outputs_to_points(const meca_winograd *w, int64_t blocks, const float *gradient,
                                     int64_t first, int64_t count, int64_t point, float *v) {
  const int64_t plane = w->height * w->width;
  for (int64_t b = 0; b < blocks; b++) {
    tile_place at = place_of(w, first);
    for (int64_t t = 0; t < count; t++, advance(w, &at)) {
      const vec_memory *image = (const vec_memory *)gradient + (at.image * blocks + b) * plane;
      const tile_rows tile = rows_of_tile(w, image, at.y, at.x, 4);
      vec half[24];
      for (int j = 0; j < 4; j++) {
        vec column[4];
        column_of_tile(&tile, j, 4, column);
        times_a_transposed(column, half + j, 4);
      }
      float *target = v + (b * count + t) * BLOCK;
      for (int i = 0; i < 6; i++) {
        vec row[6];
        times_a_transposed(half + i * 4, row, 1);
        for (int j = 0; j < 6; j++) *(vec_memory *)(target + (i * 6 + j) * point) = row[j];
      }
    }
  }
}

// What is not a number stays, so that a diverged run is seen.
INLINE vec where_positive(vec x) { return (vec)((bits)x & ~(bits)(x <= (vec){0})); }
INLINE vec limited(vec x) {
  const vec limit = all_lanes(MECA_RELU6_LIMIT);
  const bits above = x > limit;
  return (vec)(((bits)x & ~above) | ((bits)limit & above));
}

// Aᵀ M A of `width` output blocks from `k`, as far as it lies in the image.
TARGET static void points_to_outputs(const meca_winograd *w, int by_input,
                                     const meca_ending *ending, int64_t k, int64_t width,
                                     int64_t blocks, const float *m, int64_t first,
                                     int64_t count, int64_t point, float *output) {
  const int64_t plane = w->height * w->width;
  for (int64_t b = 0; b < width; b++) {
    tile_place at = place_of(w, first);
    for (int64_t t = 0; t < count; t++, advance(w, &at)) {
      const int64_t y = at.y, x = at.x;
      const int64_t image = (at.image * blocks + k + b) * plane;
      const float *source = m + (b * count + t) * BLOCK;
      vec half[24];
      for (int j = 0; j < 6; j++) {
        vec column[6];
        for (int i = 0; i < 6; i++) column[i] = *(const vec_memory *)(source + (i * 6 + j) * point);
        times_a(column, half + j, 6);
      }
      const int64_t rows = smaller(4, w->height - y), columns = smaller(4, w->width - x);
      for (int64_t i = 0; i < rows; i++) {
        vec row[4];
        times_a(half + i * 6, row, 1);
        const int64_t place = image + (y + i) * w->width + x;
        vec_memory *target = (vec_memory *)output + place;
        if (!ending || by_input) {
          for (int64_t j = 0; j < columns; j++) target[j] = row[j];
          continue;
        }
        const vec shift = *(const vec_memory *)(ending->shift + (k + b) * BLOCK);
        for (int64_t j = 0; j < columns; j++) {
          vec value = row[j] + shift;
          if (ending->residual) value += ((const vec_memory *)ending->residual + place)[j];
          if (ending->activation != MECA_NO_ACTIVATION) value = where_positive(value);
          if (ending->activation == MECA_RELU6) value = limited(value);
          target[j] = value;
        }
      }
    }
  }
}

// MARK: products

// For `rows` rows and `vectors` vectors: c = a · b, or c + a · b, over `blocks` times `steps` steps.
// Row r of `a` lies r·row floats on, its steps `step` floats apart, blocks `jump` floats apart. Step
// s of vector j of `b` lies at b[s·b_step + j·b_vector].
INLINE void product(const int rows, const int vectors, const int more, int64_t blocks,
                    const int steps, const float *a, int64_t row, int64_t step, int64_t jump,
                    const float *b, int64_t b_step, int64_t b_vector, float *c, int64_t c_row,
                    int64_t c_vector) {
  vec sums[ROWS][3];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++)
      sums[r][j] = more ? *(vec_memory *)(c + r * c_row + j * c_vector) : (vec){0};
  for (int64_t block = 0; block < blocks; block++, a += jump) {
#pragma clang loop unroll_count(4)
    for (int s = 0; s < steps; s++, b += b_step) {
      vec columns[3];
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) columns[j] = *(const vec_memory *)(b + j * b_vector);
#pragma clang loop unroll(full)
      for (int r = 0; r < rows; r++) {
        vec value = all_lanes(a[r * row + s * step]);
        if (vectors == 3) ONE_AT_A_TIME(value);
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++)
          sums[r][j] = __builtin_elementwise_fma(value, columns[j], sums[r][j]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) *(vec_memory *)(c + r * c_row + j * c_vector) = sums[r][j];
}

// M = V · U of one point and panel, or M + V · U: rows are tiles.
TARGET static void multiply_point(int64_t tiles, int64_t blocks, int64_t width, int more,
                                  const float *v, const float *u, float *m) {
  // Equal pieces of at most ROWS tiles.
  const int64_t pieces = (tiles + ROWS - 1) / ROWS;
  for (int64_t piece = 0; piece < pieces; piece++) {
    const int64_t t = tiles * piece / pieces, count = tiles * (piece + 1) / pieces - t;
    const float *rows = v + t * BLOCK;
    float *target = m + t * BLOCK;
#define RUN(r, n, more)                                                                        \
  product(r, n, more, blocks, BLOCK, rows, BLOCK, 1, tiles * BLOCK, u, (n) * BLOCK, BLOCK, target, \
          BLOCK, tiles * BLOCK)
#if BLOCK == 16
#define WIDER(n, more)              \
    case 12: RUN(12, n, more); break; \
    case 11: RUN(11, n, more); break; \
    case 10: RUN(10, n, more); break; \
    case 9: RUN(9, n, more); break;   \
    case 8: RUN(8, n, more); break;   \
    case 7: RUN(7, n, more); break;
#else
#define WIDER(n, more)
#endif
#define RUN_ROWS(n, more)             \
  switch (count) {                    \
    WIDER(n, more)                    \
    case 6: RUN(6, n, more); break;   \
    case 5: RUN(5, n, more); break;   \
    case 4: RUN(4, n, more); break;   \
    case 3: RUN(3, n, more); break;   \
    case 2: RUN(2, n, more); break;   \
    default: RUN(1, n, more);         \
  }
    if (width == 2) {
      if (more) RUN_ROWS(2, 1) else RUN_ROWS(2, 0)
    } else {
      if (more) RUN_ROWS(1, 1) else RUN_ROWS(1, 0)
    }
#undef RUN_ROWS
#undef WIDER
#undef RUN
  }
}

TARGET void NAME(meca_winograd_convolve)(const meca_winograd *w, int by_input, const float *input,
                                         const float *weights, const meca_ending *ending,
                                         float *output, float *work) {
  const float *scale = ending ? ending->scale : 0;
  const int64_t in_blocks = by_input ? w->out_blocks : w->in_blocks;
  const int64_t out_blocks = by_input ? w->in_blocks : w->out_blocks;
  const convolution_plan plan = meca_plan_convolution(w, in_blocks, out_blocks);
  float *v = work, *m = v + POINTS * plan.v_point, *u = m + POINTS * plan.m_point;
  if (plan.resident)
    for (int64_t k = 0; k < out_blocks; k += PANEL)
      weights_to_panel(w, weights, scale, by_input, k, smaller(PANEL, out_blocks - k), 0,
                       in_blocks, u + k * in_blocks * BLOCK * BLOCK, plan.u_point);
  for (int64_t first = 0; first < plan.tiles; first += plan.chunk) {
    const int64_t tiles = smaller(plan.chunk, plan.tiles - first);
    inputs_to_points(w, in_blocks, input, first, tiles, plan.v_point, v);
    for (int64_t k = 0; k < out_blocks; k += PANEL) {
      const int64_t width = smaller(PANEL, out_blocks - k);
      for (int64_t from = 0; from < in_blocks; from += plan.depth) {
        const int64_t blocks = smaller(plan.depth, in_blocks - from);
        float *panel = u;
        if (plan.resident)
          panel += k * in_blocks * BLOCK * BLOCK + from * width * BLOCK * BLOCK;
        else
          weights_to_panel(w, weights, scale, by_input, k, width, from, blocks, u, plan.u_point);
        for (int p = 0; p < POINTS; p++)
          multiply_point(tiles, blocks, width, from > 0, v + p * plan.v_point + from * tiles * BLOCK,
                         panel + p * plan.u_point, m + p * plan.m_point);
      }
      points_to_outputs(w, by_input, ending, k, width, out_blocks, m, first, tiles, plan.m_point, output);
    }
  }
}

// Adds Vᵀ · Y of one point to `sums` [width][blocks · BLOCK][BLOCK]: rows are input channels.
INLINE void multiply_gradient(int64_t tiles, int64_t blocks, int64_t width, const float *v,
                              const float *y, int more, float *sums) {
  for (int64_t c = 0; c < blocks * BLOCK; c += GRADIENT_ROWS) {
    const float *rows = v + c / BLOCK * tiles * BLOCK + c % BLOCK;
    float *target = sums + c * BLOCK;
#define RUN(n, more)                                                                         \
  product(GRADIENT_ROWS, n, more, tiles, 1, rows, 1, 0, BLOCK, y, BLOCK, tiles * BLOCK, target, \
          BLOCK, blocks * BLOCK * BLOCK)
    if (more) {
      if (width == 3) RUN(3, 1);
      else if (width == 2) RUN(2, 1);
      else RUN(1, 1);
    } else {
      if (width == 3) RUN(3, 0);
      else if (width == 2) RUN(2, 0);
      else RUN(1, 0);
    }
#undef RUN
  }
}

// Gᵀ S G of sums [width][blocks · BLOCK][BLOCK] from output block `k` and input block `from`.
TARGET static void sums_to_weights(const meca_winograd *w, int64_t k, int64_t width, int64_t from,
                                   int64_t blocks, const float *sums, int64_t point,
                                   float *grad_weights) {
  for (int64_t o = 0; o < width; o++)
    for (int64_t c = 0; c < blocks * BLOCK; c++) {
      const float *source = sums + (o * blocks * BLOCK + c) * BLOCK;
      vec half[18];
      for (int j = 0; j < 6; j++) {
        vec column[6];
        for (int i = 0; i < 6; i++) column[i] = *(const vec_memory *)(source + (i * 6 + j) * point);
        times_g_transposed(column, 1, half + j, 6);
      }
      vec_memory *target =
          (vec_memory *)(grad_weights +
                         ((k + o) * w->in_blocks + from + c / BLOCK) * 9 * BLOCK * BLOCK +
                         c % BLOCK * BLOCK);
      for (int i = 0; i < 3; i++) {
        vec row[3];
        times_g_transposed(half + i * 6, 1, row, 1);
        for (int j = 0; j < 3; j++) target[(i * 3 + j) * BLOCK] = row[j];
      }
    }
}

TARGET void NAME(meca_winograd_weight_gradient)(const meca_winograd *w, const float *input,
                                                const float *grad_output, float *grad_weights,
                                                float *work) {
  const gradient_plan plan = meca_plan_gradient(w);
  float *v = work, *y = v + POINTS * plan.v_point, *sums = y + POINTS * plan.y_point;
  for (int64_t first = 0; first < plan.tiles; first += plan.chunk) {
    const int64_t tiles = smaller(plan.chunk, plan.tiles - first);
    inputs_to_points(w, w->in_blocks, input, first, tiles, plan.v_point, v);
    outputs_to_points(w, w->out_blocks, grad_output, first, tiles, plan.y_point, y);
    const int last = first + tiles == plan.tiles;
    float *panel = sums;
    for (int64_t k = 0, width; k < w->out_blocks; k += width) {
      // What does not fill panels of three goes in twos: 8 blocks are 3 + 3 + 2, 4 are 2 + 2.
      const int64_t left = w->out_blocks - k;
      width = left == 4 ? 2 : smaller(GRADIENT_PANEL, left);
      for (int64_t from = 0; from < w->in_blocks; from += GRADIENT_CHANNELS / BLOCK) {
        const int64_t blocks = smaller(GRADIENT_CHANNELS / BLOCK, w->in_blocks - from);
        for (int p = 0; p < POINTS; p++)
          multiply_gradient(tiles, blocks, width, v + p * plan.v_point + from * tiles * BLOCK,
                            y + p * plan.y_point + k * tiles * BLOCK, first > 0,
                            panel + p * plan.s_point);
        if (last)
          sums_to_weights(w, k, width, from, blocks, panel, plan.s_point, grad_weights);
        if (plan.chunk < plan.tiles) panel += width * blocks * BLOCK * BLOCK;
      }
    }
  }
}
