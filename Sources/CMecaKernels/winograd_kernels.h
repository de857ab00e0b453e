// Included once for each width of a vector; BLOCK is the number of its floats.
//
// Every number is one chain of fused multiply-adds in the order of the channels (or tiles), wherever
// its tile lies and however the work is cut: the bits of an image do not depend on its neighbours.

#include <string.h>

#include "block_products.h"
#include "winograd.h"

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

// The same for stride 2, F(4, 2) of the odd points: see winograd.h.

// Bᵀ: five to five.
INLINE void strided_times_b(const vec *d, vec *r, int out) {
  vec a = d[3] - d[1];
  r[0 * out] = fused(2, d[0] - d[2], a);
  r[1 * out] = a - (d[1] + d[2]);
  r[2 * out] = fused(3, d[1] - d[2], a);
  r[3 * out] = a;
  r[4 * out] = fused(-2, a, d[4] - d[2]);
}

// Aᵀ: five to four.
INLINE void strided_times_a(const vec *m, vec *r, int out) {
  vec a = m[1] + m[2], b = m[1] - m[2];
  r[0 * out] = m[0] + a + m[3];
  r[1 * out] = fused(2, m[3], b);
  r[2 * out] = fused(4, m[3], a);
  r[3 * out] = fused(8, m[3], b) + m[4];
}

// A: four to five.
INLINE void strided_times_a_transposed(const vec *y, vec *r, int out) {
  vec a = y[0] + y[2], b = y[1] + y[3];
  r[0 * out] = y[0];
  r[1 * out] = a + b;
  r[2 * out] = a - b;
  r[3 * out] = fused(2, fused(4, y[3], y[1]), fused(4, y[2], y[0]));
  r[4 * out] = y[3];
}

// G of the outer two, then the middle one: three to six.
INLINE void strided_times_g(const vec *g, int step, vec *r, int out) {
  const vec first = g[0 * step], last = g[2 * step];
  r[0 * out] = 0.5f * first;
  r[1 * out] = -0.5f * (first + last);
  r[2 * out] = 1.0f / 6 * (last - first);
  r[3 * out] = fused(1.0f / 3, last, 1.0f / 6 * first);
  r[4 * out] = last;
  r[5 * out] = g[1 * step];
}

// Gᵀ: six to three.
INLINE void strided_times_g_transposed(const vec *u, int step, vec *r, int out) {
  r[0 * out] = fused(0.5f, u[0 * step] - u[1 * step], 1.0f / 6 * (u[3 * step] - u[2 * step]));
  r[1 * out] = u[5 * step];
  r[2 * out] = fused(1.0f / 6, u[2 * step],
                     fused(-0.5f, u[1 * step], fused(1.0f / 3, u[3 * step], u[4 * step])));
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
INLINE void block_to_points(const int strided, const float *weights, const float *scale,
                            int by_input, float *target, int64_t row, int64_t point) {
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
    for (int j = 0; j < 3; j++) {
      if (strided) strided_times_g(&g[j][i], 3 * BLOCK, half + j, 3);
      else times_g(&g[j][i], 3 * BLOCK, half + j, 3);
    }
    for (int j = 0; j < 6; j++) {
      vec u[6];
      if (strided) strided_times_g(half + j * 3, 1, u, 1);
      else times_g(half + j * 3, 1, u, 1);
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
      const float *block = weights + place * 9 * BLOCK * BLOCK;
      const float *factors = scale ? scale + (by_input ? in : out) * BLOCK : 0;
      float *target = u + i * BLOCK * width * BLOCK + o * BLOCK;
      if (w->stride == 2) block_to_points(1, block, factors, by_input, target, width * BLOCK, point);
      else block_to_points(0, block, factors, by_input, target, width * BLOCK, point);
    }
}

// MARK: tiles

// Neighbouring tiles of a row that are transformed together.
enum { RUN = 16 };

// A row outside of the image, so that nobody copies its edges.
static const float zeros[(4 * RUN + 2) * BLOCK];

// The channels of one point of a plain image, whose next channel lies `plane` floats on.
INLINE vec plain_point(const float *point, int64_t channels, int64_t plane) {
  vec value = {point[0]};
  if (channels > 1) value[1] = point[plane];
  if (channels > 2) value[2] = point[2 * plane];
  if (channels > 3) value[3] = point[3 * plane];
  return value;
}

// Bᵀ d B of tiles of an activation with `blocks` blocks, or of a plain one with `plain` channels;
// zeros outside of the image.
//
// Tiles that lie side by side share two of their six columns, which are transformed once.
INLINE void tiles_to_points(const int64_t plain, const meca_winograd *w, int64_t blocks,
                            const float *input, int64_t first, int64_t count, int64_t point,
                            float *v) {
  const int64_t plane = w->height * w->width;
  for (int64_t t = 0, run; t < count; t += run) {
    const tile_place at = place_of(w, first + t);
    run = smaller(smaller(count - t, RUN), (w->width - at.x + 3) / 4);
    const int64_t left = at.x == 0, right = smaller(4 * run + 2, w->width - at.x + 1);
    for (int64_t b = 0; b < blocks; b++) {
      const float *image = input + (plain ? at.image * plain : (at.image * blocks + b) * BLOCK) * plane;
      const float *rows[6];
#pragma clang loop unroll(full)
      for (int i = 0; i < 6; i++) {
        const int64_t y = at.y - 1 + i, inside = y >= 0 && y < w->height;
        const int64_t place = y * w->width + at.x - 1;
        rows[i] = inside ? image + place * (plain ? 1 : BLOCK) : plain ? 0 : zeros;
      }
      vec half[(4 * RUN + 2) * 6];
      if (left) memset(half, 0, 6 * sizeof(vec));
      for (int64_t c = left; c < right; c++) {
        vec column[6];
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++)
          column[i] = !plain      ? ((const vec_memory *)rows[i])[c]
                      : rows[i]   ? plain_point(rows[i] + c, plain, plane)
                                  : (vec){0};
        if (!plain && (BLOCK == 16 || c % 2)) {
#pragma clang loop unroll(full)
          for (int i = 1; i < 5; i++) fetch((const vec_memory *)rows[i] + c + 4 * w->width, 1);
        }
        times_b(column, half + c * 6, 1);
      }
      if (right < 4 * run + 2)
        memset(half + right * 6, 0, (size_t)(4 * run + 2 - right) * 6 * sizeof(vec));
      for (int64_t n = 0; n < run; n++) {
        float *target = v + (b * count + t + n) * BLOCK;
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) {
          vec row[6], result[6];
#pragma clang loop unroll(full)
          for (int j = 0; j < 6; j++) row[j] = half[(4 * n + j) * 6 + i];
          times_b(row, result, 1);
#pragma clang loop unroll(full)
          for (int j = 0; j < 6; j++) *(vec_memory *)(target + (i * 6 + j) * point) = result[j];
        }
      }
    }
  }
}

TARGET static void inputs_to_points(const meca_winograd *w, int64_t blocks, const float *input,
                                    int64_t first, int64_t count, int64_t point, float *v) {
  tiles_to_points(0, w, blocks, input, first, count, point, v);
}

TARGET static void image_to_points(const meca_winograd *w, const float *input, int64_t first,
                                   int64_t count, int64_t point, float *v) {
  if (w->plain == 3) tiles_to_points(3, w, 1, input, first, count, point, v);
  else tiles_to_points(w->plain, w, 1, input, first, count, point, v);
}

// Column `j` of the 4x4 outputs at `source`, of which `rows` x `columns` lie in the image; the rest is
// zero.
INLINE void output_column(const vec_memory *source, int64_t width, int64_t rows, int64_t columns,
                          int j, vec *column) {
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) column[i] = i < rows && j < columns ? source[i * width + j] : (vec){0};
  fetch(source + (j + 4) * width, 4);
}

// A dY Aᵀ of the tile at `source`, of which `rows` x `columns` points lie in the image.
INLINE void output_to_points(const vec_memory *source, int64_t width, int64_t rows, int64_t columns,
                             int64_t point, float *target) {
  vec half[24];
#pragma clang loop unroll(full)
  for (int j = 0; j < 4; j++) {
    vec column[4];
    output_column(source, width, rows, columns, j, column);
    times_a_transposed(column, half + j, 4);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 6; i++) {
    vec row[6];
    times_a_transposed(half + i * 4, row, 1);
#pragma clang loop unroll(full)
    for (int j = 0; j < 6; j++) *(vec_memory *)(target + (i * 6 + j) * point) = row[j];
  }
}

// A dY Aᵀ; zeros outside of the image.
TARGET static void outputs_to_points(const meca_winograd *w, int64_t blocks, const float *gradient,
                                     int64_t first, int64_t count, int64_t point, float *v) {
  const int64_t plane = w->height * w->width;
  for (int64_t b = 0; b < blocks; b++) {
    tile_place at = place_of(w, first);
    for (int64_t t = 0; t < count; t++, advance(w, &at)) {
      const vec_memory *source = (const vec_memory *)gradient + (at.image * blocks + b) * plane +
                                 at.y * w->width + at.x;
      float *target = v + (b * count + t) * BLOCK;
      const int64_t rows = w->height - at.y, columns = w->width - at.x;
      if (rows >= 4 && columns >= 4)
        output_to_points(source, w->width, 4, 4, point, target);
      else
        output_to_points(source, w->width, rows, columns, point, target);
    }
  }
}

// Writes a row of a tile, as far as it lies in the image; `ending` may be NULL.
INLINE void finish_row(vec *row, const meca_ending *ending, int64_t channel, int64_t place,
                       int64_t columns, int64_t ahead, float *output) {
  vec_memory *target = (vec_memory *)output + place;
  fetch(target + ahead, 4);
  if (ending) {
    const vec shift = *(const vec_memory *)(ending->shift + channel);
    const vec_memory *residual = (const vec_memory *)ending->residual + place;
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) {
      row[j] += shift;
      if (ending->residual && j < columns) row[j] += residual[j];
      if (ending->activation != MECA_NO_ACTIVATION) row[j] = where_positive(row[j]);
      if (ending->activation == MECA_RELU6) row[j] = limited(row[j]);
    }
  }
#pragma clang loop unroll(full)
  for (int j = 0; j < 4; j++)
    if (j < columns) target[j] = row[j];
}

// Aᵀ M A of the tile at `source`, to the `rows` x `columns` points that lie in the image.
INLINE void points_to_output(const float *source, int64_t point, const meca_ending *ending,
                             int64_t channel, int64_t place, int64_t width, int64_t rows,
                             int64_t columns, float *output) {
  vec half[24];
#pragma clang loop unroll(full)
  for (int j = 0; j < 6; j++) {
    vec column[6];
#pragma clang loop unroll(full)
    for (int i = 0; i < 6; i++) column[i] = *(const vec_memory *)(source + (i * 6 + j) * point);
    times_a(column, half + j, 6);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    if (i >= rows) break;
    vec row[4];
    times_a(half + i * 6, row, 1);
    finish_row(row, ending, channel, place + i * width, columns, 4 * width, output);
  }
}

// Aᵀ M A of `width` output blocks from `k`, as far as it lies in the image.
TARGET static void points_to_outputs(const meca_winograd *w, const meca_ending *ending, int64_t k,
                                     int64_t width, int64_t blocks, const float *m, int64_t first,
                                     int64_t count, int64_t point, float *output) {
  const int64_t plane = w->height * w->width;
  for (int64_t b = 0; b < width; b++) {
    tile_place at = place_of(w, first);
    for (int64_t t = 0; t < count; t++, advance(w, &at)) {
      const float *source = m + (b * count + t) * BLOCK;
      const int64_t place = (at.image * blocks + k + b) * plane + at.y * w->width + at.x;
      const int64_t rows = w->height - at.y, columns = w->width - at.x;
      const int64_t channel = (k + b) * BLOCK;
      if (rows < 4 || columns < 4)
        points_to_output(source, point, ending, channel, place, w->width, rows, columns, output);
      else if (ending)
        points_to_output(source, point, ending, channel, place, w->width, 4, 4, output);
      else
        points_to_output(source, point, 0, channel, place, w->width, 4, 4, output);
    }
  }
}

// Aᵀ M A of one block, of which the first channels become those of a plain image.
TARGET static void points_to_image(const meca_winograd *w, const float *m, int64_t first,
                                   int64_t count, int64_t point, float *output) {
  const int64_t plane = w->height * w->width;
  tile_place at = place_of(w, first);
  for (int64_t t = 0; t < count; t++, advance(w, &at)) {
    float tile[16 * BLOCK];
    points_to_output(m + t * BLOCK, point, 0, 0, 0, 4, 4, 4, tile);
    const int64_t rows = smaller(4, w->height - at.y), columns = smaller(4, w->width - at.x);
    for (int64_t c = 0; c < w->plain; c++) {
      float *target = output + (at.image * w->plain + c) * plane + at.y * w->width + at.x;
      for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
          target[i * w->width + j] = tile[(i * 4 + j) * BLOCK + c];
    }
  }
}

// M = V · U of one point and panel, or M + V · U: rows are tiles.
TARGET static void multiply_point(int64_t tiles, int64_t blocks, int64_t width, int more,
                                  const float *v, const float *u, float *m) {
  product_of_rows(tiles, width, more, blocks, BLOCK, v, BLOCK, 1, tiles * BLOCK, u, width * BLOCK,
                  BLOCK, m, BLOCK, tiles * BLOCK);
}

#include "winograd_strided_kernels.h"

// The same for the four or fewer channels of a plain image: rows of V behind them are zero.
TARGET static void multiply_image_point(int64_t tiles, int64_t width, const float *v,
                                        const float *u, float *m) {
  product_of_rows(tiles, width, 0, 1, 4, v, BLOCK, 1, 0, u, width * BLOCK, BLOCK, m, BLOCK,
                  tiles * BLOCK);
}

TARGET void NAME(meca_winograd_convolve)(const meca_winograd *w, int by_input, const float *input,
                                         const float *weights, const meca_ending *ending,
                                         float *output, float *work) {
  const float *scale = ending ? ending->scale : 0;
  if (by_input) ending = 0;
  const int strided = w->stride == 2, from_image = w->plain && !by_input;
  const int64_t in_blocks = by_input ? w->out_blocks : w->in_blocks;
  const int64_t out_blocks = by_input ? w->in_blocks : w->out_blocks;
  const convolution_plan plan = meca_plan_convolution(w, in_blocks, out_blocks);
  float *v = work, *m = v + plan.places * plan.v_point, *u = m + plan.places * plan.m_point;
  if (plan.resident)
    for (int64_t k = 0; k < out_blocks; k += PANEL)
      weights_to_panel(w, weights, scale, by_input, k, smaller(PANEL, out_blocks - k), 0,
                       in_blocks, u + k * in_blocks * BLOCK * BLOCK, plan.u_point);
  for (int64_t first = 0; first < plan.tiles; first += plan.chunk) {
    const int64_t tiles = smaller(plan.chunk, plan.tiles - first);
    if (strided)
      strided_inputs_to_points(w, by_input, in_blocks, input, first, tiles, plan.v_point, v);
    else if (from_image)
      image_to_points(w, input, first, tiles, plan.v_point, v);
    else
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
        for (int p = 0; p < POINTS; p++) {
          const point_rows at = rows_of_point(w, p);
          if (from_image)
            multiply_image_point(tiles, width, v + p * plan.v_point, panel + p * plan.u_point,
                                 m + p * plan.m_point);
          else
            multiply_point(at.rows * tiles, blocks, width, from > 0,
                           v + at.place * plan.v_point + from * at.rows * tiles * BLOCK,
                           panel + p * plan.u_point, m + at.place * plan.m_point);
        }
      }
      if (strided)
        strided_points_to_outputs(w, by_input, ending, k, width, out_blocks, m, first, tiles,
                                  plan.m_point, output);
      else if (w->plain && by_input)
        points_to_image(w, m, first, tiles, plan.m_point, output);
      else
        points_to_outputs(w, ending, k, width, out_blocks, m, first, tiles, plan.m_point, output);
    }
  }
}

// Adds Vᵀ · Y of one point to `sums` [width][blocks · BLOCK][BLOCK]: rows are input channels.
INLINE void multiply_gradient(int64_t tiles, int64_t blocks, int64_t width, const float *v,
                              const float *y, int more, float *sums) {
  // Eight sums at a time keep the multipliers busy: eight rows where there is one vector.
  const int64_t step = width == 1 ? 8 : GRADIENT_ROWS;
  for (int64_t c = 0; c < blocks * BLOCK; c += step) {
    const float *rows = v + c / BLOCK * tiles * BLOCK + c % BLOCK;
    float *target = sums + c * BLOCK;
#define RUN_ROWS(r, n, more)                                                                 \
  product(r, n, more, tiles, 1, rows, 1, 0, BLOCK, y, BLOCK, tiles * BLOCK, target, BLOCK,    \
          blocks * BLOCK * BLOCK)
    if (more) {
      if (width == 3) RUN_ROWS(GRADIENT_ROWS, 3, 1);
      else if (width == 2) RUN_ROWS(GRADIENT_ROWS, 2, 1);
      else RUN_ROWS(8, 1, 1);
    } else {
      if (width == 3) RUN_ROWS(GRADIENT_ROWS, 3, 0);
      else if (width == 2) RUN_ROWS(GRADIENT_ROWS, 2, 0);
      else RUN_ROWS(8, 1, 0);
    }
#undef RUN_ROWS
  }
}

// Gᵀ S G of sums [width][blocks · BLOCK][BLOCK] from output block `k` and input block `from`.
INLINE void sums_to_weights(const int strided, const meca_winograd *w, int64_t k, int64_t width,
                            int64_t from, int64_t blocks, const float *sums, int64_t point,
                            float *grad_weights) {
  for (int64_t o = 0; o < width; o++)
    for (int64_t c = 0; c < blocks * BLOCK; c++) {
      const float *source = sums + (o * blocks * BLOCK + c) * BLOCK;
      vec half[18];
      for (int j = 0; j < 6; j++) {
        vec column[6];
        for (int i = 0; i < 6; i++) column[i] = *(const vec_memory *)(source + (i * 6 + j) * point);
        if (strided) strided_times_g_transposed(column, 1, half + j, 6);
        else times_g_transposed(column, 1, half + j, 6);
      }
      vec_memory *target =
          (vec_memory *)(grad_weights +
                         ((k + o) * w->in_blocks + from + c / BLOCK) * 9 * BLOCK * BLOCK +
                         c % BLOCK * BLOCK);
      for (int i = 0; i < 3; i++) {
        vec row[3];
        if (strided) strided_times_g_transposed(half + i * 6, 1, row, 1);
        else times_g_transposed(half + i * 6, 1, row, 1);
        for (int j = 0; j < 3; j++) target[(i * 3 + j) * BLOCK] = row[j];
      }
    }
}

TARGET void NAME(meca_winograd_weight_gradient)(const meca_winograd *w, const float *input,
                                                const float *grad_output, float *grad_weights,
                                                float *work) {
  const int strided = w->stride == 2;
  const gradient_plan plan = meca_plan_gradient(w);
  float *v = work, *y = v + plan.places * plan.v_point, *sums = y + plan.places * plan.y_point;
  for (int64_t first = 0; first < plan.tiles; first += plan.chunk) {
    const int64_t tiles = smaller(plan.chunk, plan.tiles - first);
    if (strided) {
      strided_inputs_to_points(w, 0, w->in_blocks, input, first, tiles, plan.v_point, v);
      strided_outputs_to_points(w, w->out_blocks, grad_output, first, tiles, plan.y_point, y);
    } else {
      if (w->plain) image_to_points(w, input, first, tiles, plan.v_point, v);
      else inputs_to_points(w, w->in_blocks, input, first, tiles, plan.v_point, v);
      outputs_to_points(w, w->out_blocks, grad_output, first, tiles, plan.y_point, y);
    }
    const int last = first + tiles == plan.tiles;
    float *panel = sums;
    for (int64_t k = 0, width; k < w->out_blocks; k += width) {
      // What does not fill panels of three goes in twos: 8 blocks are 3 + 3 + 2, 4 are 2 + 2.
      const int64_t left = w->out_blocks - k;
      width = left == 4 ? 2 : smaller(GRADIENT_PANEL, left);
      for (int64_t from = 0; from < w->in_blocks; from += GRADIENT_CHANNELS / BLOCK) {
        const int64_t blocks = smaller(GRADIENT_CHANNELS / BLOCK, w->in_blocks - from);
        for (int p = 0; p < POINTS; p++) {
          const point_rows at = rows_of_point(w, p);
          const int64_t rows = at.rows * tiles;
          multiply_gradient(rows, blocks, width,
                            v + at.place * plan.v_point + from * rows * BLOCK,
                            y + at.place * plan.y_point + k * rows * BLOCK, first > 0,
                            panel + p * plan.s_point);
        }
        if (last && strided)
          sums_to_weights(1, w, k, width, from, blocks, panel, plan.s_point, grad_weights);
        else if (last)
          sums_to_weights(0, w, k, width, from, blocks, panel, plan.s_point, grad_weights);
        if (plan.chunk < plan.tiles) panel += width * blocks * BLOCK * BLOCK;
      }
    }
  }
}
