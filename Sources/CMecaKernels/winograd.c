#include <string.h>

#include "meca_kernels.h"

// Winograd's F(4x4, 3x3) over activations in blocks of 8 channels, weights in oneDNN's OIhw8i8o.
//
// A 4x4 tile of outputs needs a 6x6 tile d of inputs, and is Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A with the
// matrices of Lavin & Gray 2016 (arXiv:1509.09308, section 4.2): 36 multiplications for 144. Summed
// over the channels, ⊙ becomes a matrix product for each of the 36 points, M = V · U:
//   U  [36][panels][C][16]   G g Gᵀ; a panel is 16 outputs, the last one may have 8
//   V  [36][C / 8][tiles][8] Bᵀ d B
//   M  [36][K / 8][tiles][8] what Aᵀ · A turns into outputs
// The derivative by the weights is that of the same formula: Gᵀ [Σ over tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G.
//
// Every number is one chain of fused multiply-adds in the order of the channels (or tiles), wherever
// its tile lies: the bits of an image do not hang on its neighbours, as they do with a library's
// matrix product, which also would copy V and U once more.

#if defined(__x86_64__)
#define WITH_FMA __attribute__((target("avx2,fma")))
// Keeps the compiler from loading several of them ahead: the sums take the other 15 registers.
#define ONE_AT_A_TIME(value) __asm__ volatile("" : "+x"(value))
#else
#define WITH_FMA
#define ONE_AT_A_TIME(value) (void)(value)
#endif
#define PLAIN_INLINE static inline __attribute__((always_inline))
#define INLINE PLAIN_INLINE WITH_FMA

enum { BLOCK = 8, POINTS = 36, PANEL = 16, ROWS = 6, GRADIENT_PANEL = 3 };
// Channels that a product sums at once, so that a panel of U stays in the first cache.
enum { DEPTH = 256 };
typedef float v8 __attribute__((vector_size(32)));
// The same in memory, wherever it begins.
typedef float v8_memory __attribute__((vector_size(32), aligned(4), may_alias));

// Floats from one of the 36 points to the next. One cache line more than the content, since a
// transformation visits all points, and 4 KiB apart they would fall on the same places of the cache.
PLAIN_INLINE int64_t spread(int64_t floats) { return (floats + 15) / 16 * 16 + 16; }

PLAIN_INLINE int64_t tile_rows(meca_winograd w) { return (w.height + 3) / 4; }
PLAIN_INLINE int64_t tile_columns(meca_winograd w) { return (w.width + 3) / 4; }
PLAIN_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

PLAIN_INLINE int64_t all_tiles(meca_winograd w) { return w.batch * tile_rows(w) * tile_columns(w); }
// Tiles worked on together; by the sizes alone.
PLAIN_INLINE int64_t chunk_tiles(meca_winograd w) { return smaller(all_tiles(w), w.chunk); }

int64_t meca_winograd_weight_floats(meca_winograd w) {
  return POINTS * w.in_blocks * w.out_blocks * BLOCK * BLOCK;
}

int64_t meca_winograd_work_floats(meca_winograd w, int gradient) {
  int64_t tiles = chunk_tiles(w) * BLOCK;
  int64_t floats = spread(w.in_blocks * tiles) + spread(w.out_blocks * tiles);
  if (gradient) floats += spread(w.in_blocks * w.out_blocks * BLOCK * BLOCK);
  return POINTS * floats;
}

// MARK: transformations of one row or column, elements `step` vectors apart

// The four middle ones of six: sums and differences of the even and odd parts of two points' pairs.
INLINE void middle_points(v8 even1, v8 odd1, v8 even2, v8 odd2, v8 *r, int out) {
  r[1 * out] = even1 + odd1;
  r[2 * out] = even1 - odd1;
  r[3 * out] = even2 + odd2;
  r[4 * out] = even2 - odd2;
}

// Bᵀ: six to six.
INLINE void times_b(const v8_memory *d, int step, v8 *r, int out) {
  v8 a = d[4 * step] - 4.0f * d[2 * step], b = d[3 * step] - 4.0f * d[1 * step];
  v8 c = d[4 * step] - d[2 * step], e = 2.0f * (d[3 * step] - d[1 * step]);
  r[0 * out] = 4.0f * (d[0 * step] - d[2 * step]) + c;
  middle_points(a, b, c, e, r, out);
  r[5 * out] = 4.0f * (d[1 * step] - d[3 * step]) + (d[5 * step] - d[3 * step]);
}

// Aᵀ: six to four.
INLINE void times_a(const v8_memory *m, int step, v8 *r, int out) {
  v8 a = m[1 * step] + m[2 * step], b = m[1 * step] - m[2 * step];
  v8 c = m[3 * step] + m[4 * step], d = m[3 * step] - m[4 * step];
  r[0 * out] = m[0 * step] + a + c;
  r[1 * out] = b + 2.0f * d;
  r[2 * out] = a + 4.0f * c;
  r[3 * out] = b + 8.0f * d + m[5 * step];
}

// A: four to six.
INLINE void times_a_transposed(const v8_memory *y, int step, v8 *r, int out) {
  v8 a = y[0 * step] + y[2 * step], b = y[1 * step] + y[3 * step];
  v8 c = y[0 * step] + 4.0f * y[2 * step], d = 2.0f * y[1 * step] + 8.0f * y[3 * step];
  r[0 * out] = y[0 * step];
  middle_points(a, b, c, d, r, out);
  r[5 * out] = y[3 * step];
}

// G: three to six.
INLINE void times_g(const v8_memory *g, int step, v8 *r, int out) {
  v8 a = (-1.0f / 6) * (g[0 * step] + g[2 * step]), b = (-1.0f / 6) * g[1 * step];
  v8 c = (1.0f / 24) * g[0 * step] + (1.0f / 6) * g[2 * step], d = (1.0f / 12) * g[1 * step];
  r[0 * out] = 0.25f * g[0 * step];
  middle_points(a, b, c, d, r, out);
  r[5 * out] = g[2 * step];
}

// Gᵀ: six to three.
INLINE void times_g_transposed(const v8_memory *u, int step, v8 *r, int out) {
  v8 a = (-1.0f / 6) * (u[1 * step] + u[2 * step]), b = u[3 * step] + u[4 * step];
  r[0 * out] = 0.25f * u[0 * step] + a + (1.0f / 24) * b;
  r[1 * out] =
      (1.0f / 6) * (u[2 * step] - u[1 * step]) + (1.0f / 12) * (u[3 * step] - u[4 * step]);
  r[2 * out] = a + (1.0f / 6) * b + u[5 * step];
}

// MARK: weights

// Where in a point's U the vector of input channel `c` and output block `k` begins.
PLAIN_INLINE int64_t panel_place(int64_t c, int64_t k, int64_t in_blocks, int64_t out_blocks) {
  int64_t panel = k / 2, width = smaller(2, out_blocks - panel * 2) * BLOCK;
  return panel * PANEL * in_blocks * BLOCK + c * width + k % 2 * BLOCK;
}

WITH_FMA void meca_winograd_weights(meca_winograd w, const float *weights, float *forward,
                                    float *backward) {
  const int64_t points = w.in_blocks * w.out_blocks * BLOCK * BLOCK;
  for (int64_t k = 0; k < w.out_blocks; k++)
    for (int64_t c = 0; c < w.in_blocks; c++) {
      // [3][3][inputs][outputs], and turned by half a circle with the channels swapped.
      const v8_memory *plain =
          (const v8_memory *)(weights + (k * w.in_blocks + c) * 9 * BLOCK * BLOCK);
      v8 turned[9 * BLOCK];
      for (int p = 0; p < 9; p++)
        for (int i = 0; i < BLOCK; i++)
          for (int o = 0; o < BLOCK; o++) turned[(8 - p) * BLOCK + o][i] = plain[p * BLOCK + i][o];
      for (int which = 0; which < 2; which++) {
        const v8_memory *g = which ? turned : plain;
        for (int row = 0; row < BLOCK; row++) {
          int64_t place = which ? panel_place(k * BLOCK + row, c, w.out_blocks, w.in_blocks)
                                : panel_place(c * BLOCK + row, k, w.in_blocks, w.out_blocks);
          float *target = (which ? backward : forward) + place;
          v8 half[18], u[POINTS];
          for (int j = 0; j < 3; j++) times_g(g + row + j * BLOCK, 3 * BLOCK, half + j, 3);
          for (int i = 0; i < 6; i++) times_g(half + i * 3, 1, u + i * 6, 1);
          for (int p = 0; p < POINTS; p++) *(v8_memory *)(target + p * points) = u[p];
        }
      }
    }
}

// MARK: tiles

// Where a tile lies: its image, and its first output point.
typedef struct {
  int64_t image, y, x;
} tile_place;

PLAIN_INLINE tile_place place_of(meca_winograd w, int64_t tile) {
  const int64_t rows = tile_rows(w), columns = tile_columns(w);
  return (tile_place){tile / (rows * columns), tile / columns % rows * 4, tile % columns * 4};
}

// Bᵀ d B of tiles of an activation with `blocks` blocks; zeros outside of the image.
WITH_FMA static void inputs_to_points(meca_winograd w, int64_t blocks, const float *input,
                                      int64_t first, int64_t count, int64_t point, float *v) {
  const int64_t plane = w.height * w.width;
  for (int64_t b = 0; b < blocks; b++)
    for (int64_t t = 0; t < count; t++) {
      const tile_place at = place_of(w, first + t);
      const int64_t y = at.y, x = at.x;
      const v8_memory *image = (const v8_memory *)input + (at.image * blocks + b) * plane;
      v8 edge[POINTS], half[POINTS];
      const v8_memory *d = image + (y - 1) * w.width + x - 1;
      int64_t pitch = w.width;
      if (y == 0 || x == 0 || y + 5 > w.height || x + 5 > w.width) {
        memset(edge, 0, sizeof edge);
        for (int i = 0; i < 6; i++)
          for (int j = 0; j < 6; j++)
            if (y + i >= 1 && y + i <= w.height && x + j >= 1 && x + j <= w.width)
              edge[i * 6 + j] = d[i * pitch + j];
        d = edge;
        pitch = 6;
      }
      for (int j = 0; j < 6; j++) times_b(d + j, (int)pitch, half + j, 6);
      float *target = v + (b * count + t) * BLOCK;
      for (int i = 0; i < 6; i++) {
        v8 row[6];
        times_b(half + i * 6, 1, row, 1);
        for (int j = 0; j < 6; j++) *(v8_memory *)(target + (i * 6 + j) * point) = row[j];
      }
    }
}

// Aᵀ M A, as far as it lies in the image.
WITH_FMA static void points_to_outputs(meca_winograd w, int64_t blocks, const float *m,
                                       int64_t first, int64_t count, int64_t point,
                                       float *output) {
  const int64_t plane = w.height * w.width;
  for (int64_t b = 0; b < blocks; b++)
    for (int64_t t = 0; t < count; t++) {
      const tile_place at = place_of(w, first + t);
      const int64_t y = at.y, x = at.x;
      v8_memory *image = (v8_memory *)output + (at.image * blocks + b) * plane;
      const float *source = m + (b * count + t) * BLOCK;
      v8 half[24];
      for (int j = 0; j < 6; j++) {
        v8 column[6];
        for (int i = 0; i < 6; i++) column[i] = *(const v8_memory *)(source + (i * 6 + j) * point);
        times_a(column, 1, half + j, 6);
      }
      const int64_t rows = smaller(4, w.height - y), columns = smaller(4, w.width - x);
      for (int64_t i = 0; i < rows; i++) {
        v8 row[4];
        times_a(half + i * 6, 1, row, 1);
        v8_memory *target = image + (y + i) * w.width + x;
        for (int64_t j = 0; j < columns; j++) target[j] = row[j];
      }
    }
}

// A dY Aᵀ; zeros outside of the image.
WITH_FMA static void outputs_to_points(meca_winograd w, int64_t blocks, const float *gradient,
                                       int64_t first, int64_t count, int64_t point, float *v) {
  const int64_t plane = w.height * w.width;
  for (int64_t b = 0; b < blocks; b++)
    for (int64_t t = 0; t < count; t++) {
      const tile_place at = place_of(w, first + t);
      const int64_t y = at.y, x = at.x;
      const v8_memory *d = (const v8_memory *)gradient + (at.image * blocks + b) * plane + y * w.width + x;
      int64_t pitch = w.width;
      v8 edge[16], half[24];
      if (y + 4 > w.height || x + 4 > w.width) {
        memset(edge, 0, sizeof edge);
        for (int i = 0; i < 4; i++)
          for (int j = 0; j < 4; j++)
            if (y + i < w.height && x + j < w.width) edge[i * 4 + j] = d[i * pitch + j];
        d = edge;
        pitch = 4;
      }
      for (int j = 0; j < 4; j++) times_a_transposed(d + j, (int)pitch, half + j, 4);
      float *target = v + (b * count + t) * BLOCK;
      for (int i = 0; i < 6; i++) {
        v8 row[6];
        times_a_transposed(half + i * 4, 1, row, 1);
        for (int j = 0; j < 6; j++) *(v8_memory *)(target + (i * 6 + j) * point) = row[j];
      }
    }
}

// MARK: products

// For `rows` rows and `vectors` vectors: c = a · b, or c + a · b, over `depth` steps. Row r of `a`
// lies r·row floats on, its steps `step` floats apart, and after 8 of them `jump` floats are added
// (0: the steps go on evenly). Step s of vector j of `b` lies at b[s·b_step + j·b_vector].
INLINE void product(const int rows, const int vectors, const int more, int64_t blocks,
                    const int steps, const float *a, int64_t row, int64_t step, int64_t jump,
                    const float *b, int64_t b_step, int64_t b_vector, float *c, int64_t c_row,
                    int64_t c_vector) {
  v8 sums[6][3];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++)
      sums[r][j] = more ? *(v8_memory *)(c + r * c_row + j * c_vector) : (v8){0};
  for (int64_t block = 0; block < blocks; block++, a += jump) {
#pragma clang loop unroll_count(4)
    for (int s = 0; s < steps; s++, b += b_step) {
      v8 columns[3];
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) columns[j] = *(const v8_memory *)(b + j * b_vector);
#pragma clang loop unroll(full)
      for (int r = 0; r < rows; r++) {
        const float one = a[r * row + s * step];
        v8 value = {one, one, one, one, one, one, one, one};
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
    for (int j = 0; j < vectors; j++) *(v8_memory *)(c + r * c_row + j * c_vector) = sums[r][j];
}

// M = V · U of one point: rows are tiles, 6 at a time.
WITH_FMA static void multiply_point(int64_t tiles, int64_t in_blocks, int64_t out_blocks,
                                    const float *v, const float *u, float *m) {
  for (int64_t k = 0; k < out_blocks; k += 2) {
    const int64_t width = smaller(2, out_blocks - k);
    for (int64_t from = 0; from < in_blocks; from += DEPTH / BLOCK) {
      const int64_t blocks = smaller(DEPTH / BLOCK, in_blocks - from);
      const float *panel =
          u + k * BLOCK * in_blocks * BLOCK + from * BLOCK * width * BLOCK;
      for (int64_t t = 0; t < tiles; t += ROWS) {
        const float *rows = v + (from * tiles + t) * BLOCK;
        float *target = m + (k * tiles + t) * BLOCK;
#define RUN(r, n, more)                                                                    \
  product(r, n, more, blocks, BLOCK, rows, BLOCK, 1, tiles * BLOCK, panel, (n) * BLOCK, BLOCK, \
          target, BLOCK, tiles * BLOCK)
#define RUN_ROWS(n, more)                      \
  switch (smaller(ROWS, tiles - t)) {          \
    case 6: RUN(6, n, more); break;            \
    case 5: RUN(5, n, more); break;            \
    case 4: RUN(4, n, more); break;            \
    case 3: RUN(3, n, more); break;            \
    case 2: RUN(2, n, more); break;            \
    default: RUN(1, n, more);                  \
  }
        if (width == 2) {
          if (from > 0) RUN_ROWS(2, 1) else RUN_ROWS(2, 0)
        } else {
          if (from > 0) RUN_ROWS(1, 1) else RUN_ROWS(1, 0)
        }
#undef RUN_ROWS
#undef RUN
      }
    }
  }
}

WITH_FMA void meca_winograd_convolve(meca_winograd w, const float *input, const float *weights,
                                     float *output, float *work) {
  const int64_t all = all_tiles(w), chunk = chunk_tiles(w);
  const int64_t v_point = spread(w.in_blocks * chunk * BLOCK);
  const int64_t m_point = spread(w.out_blocks * chunk * BLOCK);
  const int64_t u_point = w.in_blocks * w.out_blocks * BLOCK * BLOCK;
  float *v = work, *m = work + POINTS * v_point;
  for (int64_t first = 0; first < all; first += chunk) {
    const int64_t tiles = smaller(chunk, all - first);
    inputs_to_points(w, w.in_blocks, input, first, tiles, v_point, v);
    for (int p = 0; p < POINTS; p++)
      multiply_point(tiles, w.in_blocks, w.out_blocks, v + p * v_point, weights + p * u_point,
                     m + p * m_point);
    points_to_outputs(w, w.out_blocks, m, first, tiles, m_point, output);
  }
}

// Adds Vᵀ · Y of one point to `sums` [K / 8][C][8]: rows are input channels, 4 at a time, vectors
// blocks of output channels, 3 at a time.
WITH_FMA static void multiply_gradient(int64_t tiles, int64_t in_blocks, int64_t out_blocks,
                                       const float *v, const float *y, int more, float *sums) {
  const int64_t channels = in_blocks * BLOCK;
  // What does not fill panels of three goes in twos: 8 blocks are 3 + 3 + 2, 4 are 2 + 2.
  for (int64_t k = 0, width; k < out_blocks; k += width) {
    const int64_t left = out_blocks - k;
    width = left == 4 ? 2 : smaller(GRADIENT_PANEL, left);
    for (int64_t c = 0; c < channels; c += 4) {
      const float *rows = v + c / BLOCK * tiles * BLOCK + c % BLOCK;
      const float *columns = y + k * tiles * BLOCK;
      float *target = sums + (k * channels + c) * BLOCK;
#define RUN(n, more)                                                                     \
  product(4, n, more, tiles, 1, rows, 1, 0, BLOCK, columns, BLOCK, tiles * BLOCK, target, \
          BLOCK, channels * BLOCK)
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
}

WITH_FMA void meca_winograd_weight_gradient(meca_winograd w, const float *input,
                                            const float *grad_output, float *grad_weights,
                                            float *work) {
  const int64_t all = all_tiles(w), chunk = chunk_tiles(w), channels = w.in_blocks * BLOCK;
  const int64_t v_point = spread(w.in_blocks * chunk * BLOCK);
  const int64_t y_point = spread(w.out_blocks * chunk * BLOCK);
  const int64_t s_point = spread(channels * w.out_blocks * BLOCK);
  float *v = work, *y = v + POINTS * v_point, *sums = y + POINTS * y_point;
  for (int64_t first = 0; first < all; first += chunk) {
    const int64_t tiles = smaller(chunk, all - first);
    inputs_to_points(w, w.in_blocks, input, first, tiles, v_point, v);
    outputs_to_points(w, w.out_blocks, grad_output, first, tiles, y_point, y);
    for (int p = 0; p < POINTS; p++)
      multiply_gradient(tiles, w.in_blocks, w.out_blocks, v + p * v_point, y + p * y_point,
                        first > 0, sums + p * s_point);
  }
  for (int64_t k = 0; k < w.out_blocks; k++)
    for (int64_t c = 0; c < channels; c++) {
      const float *source = sums + (k * channels + c) * BLOCK;
      v8 half[18];
      for (int j = 0; j < 6; j++) {
        v8 column[6];
        for (int i = 0; i < 6; i++) column[i] = *(const v8_memory *)(source + (i * 6 + j) * s_point);
        times_g_transposed(column, 1, half + j, 6);
      }
      v8_memory *target = (v8_memory *)(grad_weights + (k * w.in_blocks + c / BLOCK) * 9 * BLOCK * BLOCK +
                          c % BLOCK * BLOCK);
      for (int i = 0; i < 3; i++) {
        v8 row[3];
        times_g_transposed(half + i * 6, 1, row, 1);
        for (int j = 0; j < 3; j++) target[(i * 3 + j) * BLOCK] = row[j];
      }
    }
}
