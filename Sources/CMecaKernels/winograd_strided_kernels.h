// Part of winograd_kernels.h: the transformations for stride 2; see winograd.h.

// Neighbouring tiles of a row that are transformed together.
enum { STRIDED_RUN = 4 };

// Where the value of point (i, j), 0 to 4 transformed and 5 to 8 plain, of the first tile lies in V,
// M or Y of block `block`; `row` is the distance of two tiles' worth of `count` tiles in floats.
INLINE int64_t strided_place(int i, int j, int64_t point, int64_t block, int64_t row) {
  const int down = i < 5 ? 1 : 4, across = j < 5 ? 1 : 4;
  const int first = i < 5 ? i * 9 + (j < 5 ? j : 5) : 45 + 4 * (j < 5 ? j : 5);
  const int part = (i < 5 ? 0 : i - 5) * across + (j < 5 ? 0 : j - 5);
  return first * point + (block * down * across + part) * row;
}

// One row or column of 4 · step + 1 points to nine: transformed those that meet the outer weights,
// as they are those that meet the middle one.
INLINE void strided_line(const int step, const vec *line, vec *result) {
  vec outer[5];
#pragma clang loop unroll(full)
  for (int k = 0; k < 5; k++) outer[k] = line[k * step];
  strided_times_b(outer, result, 1);
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) result[5 + k] = line[k * step + step - 1];
}

// Bᵀ d B of tiles, which lie 8 points apart in the input and overlap by one (`step` 2), or 4 apart in
// the gradient by the output (`step` 1); zeros outside of the plane.
INLINE void strided_tiles_to_points(const int step, int64_t height, int64_t width,
                                    const meca_winograd *w, int64_t blocks, const float *input,
                                    int64_t first, int64_t count, int64_t point, float *v) {
  const int64_t row = count * BLOCK;
  for (int64_t t = 0, run; t < count; t += run) {
    const tile_place at = place_of(w, first + t);
    run = smaller(smaller(count - t, STRIDED_RUN), (outputs_of(w, w->width) - at.x + 3) / 4);
    const int64_t y = at.y * step - (step - 1), x = at.x * step - (step - 1);
    const int64_t all = 4 * step * run + 1, left = x < 0, right = smaller(all, width - x);
    for (int64_t b = 0; b < blocks; b++) {
      const vec_memory *image = (const vec_memory *)input + (at.image * blocks + b) * height * width;
      const vec_memory *rows[9];
#pragma clang loop unroll(full)
      for (int i = 0; i < 4 * step + 1; i++)
        rows[i] = y + i >= 0 && y + i < height ? image + (y + i) * width + x
                                               : (const vec_memory *)zeros;
      vec half[(8 * STRIDED_RUN + 1) * 9];
      if (left) memset(half, 0, 9 * sizeof(vec));
      for (int64_t c = left; c < right; c++) {
        vec column[9];
#pragma clang loop unroll(full)
        for (int i = 0; i < 4 * step + 1; i++) column[i] = rows[i][c];
        if (BLOCK == 16 || c % 2) {
#pragma clang loop unroll(full)
          for (int i = 0; i < 4 * step; i++) fetch(rows[i] + c + 4 * step * width, 1);
        }
        strided_line(step, column, half + c * 9);
      }
      if (right < all) memset(half + right * 9, 0, (size_t)(all - right) * 9 * sizeof(vec));
      for (int64_t n = 0; n < run; n++) {
        float *target = v + (t + n) * BLOCK;
#pragma clang loop unroll(full)
        for (int i = 0; i < 9; i++) {
          vec line[9], result[9];
#pragma clang loop unroll(full)
          for (int j = 0; j < 4 * step + 1; j++) line[j] = half[(4 * step * n + j) * 9 + i];
          strided_line(step, line, result);
#pragma clang loop unroll(full)
          for (int j = 0; j < 9; j++)
            *(vec_memory *)(target + strided_place(i, j, point, b, row)) = result[j];
        }
      }
    }
  }
}

TARGET static void strided_inputs_to_points(const meca_winograd *w, int by_input, int64_t blocks,
                                            const float *input, int64_t first, int64_t count,
                                            int64_t point, float *v) {
  if (by_input)
    strided_tiles_to_points(1, outputs_of(w, w->height), outputs_of(w, w->width), w, blocks, input,
                            first, count, point, v);
  else
    strided_tiles_to_points(2, w->height, w->width, w, blocks, input, first, count, point, v);
}

// A dY Aᵀ; zeros outside of the plane.
TARGET static void strided_outputs_to_points(const meca_winograd *w, int64_t blocks,
                                             const float *gradient, int64_t first, int64_t count,
                                             int64_t point, float *v) {
  const int64_t height = outputs_of(w, w->height), width = outputs_of(w, w->width);
  for (int64_t b = 0; b < blocks; b++) {
    tile_place at = place_of(w, first);
    for (int64_t t = 0; t < count; t++, advance(w, &at)) {
      const vec_memory *source = (const vec_memory *)gradient +
                                 ((at.image * blocks + b) * height + at.y) * width + at.x;
      const int64_t rows = height - at.y, columns = width - at.x;
      vec half[36];
#pragma clang loop unroll(full)
      for (int j = 0; j < 4; j++) {
        vec column[4];
        output_column(source, width, rows, columns, j, column);
        strided_times_a_transposed(column, half + j, 4);
#pragma clang loop unroll(full)
        for (int i = 0; i < 4; i++) half[(5 + i) * 4 + j] = column[i];
      }
      float *target = v + t * BLOCK;
#pragma clang loop unroll(full)
      for (int i = 0; i < 9; i++) {
        vec row[9];
        strided_times_a_transposed(half + i * 4, row, 1);
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) row[5 + j] = half[i * 4 + j];
#pragma clang loop unroll(full)
        for (int j = 0; j < 9; j++)
          *(vec_memory *)(target + strided_place(i, j, point, b, count * BLOCK)) = row[j];
      }
    }
  }
}

// Nine points of a line to its four outputs.
INLINE void strided_outputs(const vec *line, vec *result) {
  strided_times_a(line, result, 1);
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) result[k] += line[5 + k];
}

// Nine points of a line to its eight inputs.
INLINE void strided_inputs(const vec *line, vec *result) {
  strided_times_a(line, result + 1, 2);
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) result[2 * k] = line[5 + k];
}

// Aᵀ M A of `width` output blocks from `k`, as far as it lies in the plane: tiles of 4x4 outputs, or
// by input of 8x8 inputs.
TARGET static void strided_points_to_outputs(const meca_winograd *w, int by_input,
                                             const meca_ending *ending, int64_t k, int64_t width,
                                             int64_t blocks, const float *m, int64_t first,
                                             int64_t count, int64_t point, float *output) {
  const int64_t plane_height = by_input ? w->height : outputs_of(w, w->height);
  const int64_t plane_width = by_input ? w->width : outputs_of(w, w->width);
  const int step = by_input ? 2 : 1;
  for (int64_t b = 0; b < width; b++) {
    tile_place at = place_of(w, first);
    for (int64_t t = 0; t < count; t++, advance(w, &at)) {
      const float *source = m + t * BLOCK;
      const int64_t y = at.y * step, x = at.x * step;
      const int64_t rows = plane_height - y, columns = plane_width - x;
      const int64_t place = ((at.image * blocks + k + b) * plane_height + y) * plane_width + x;
      vec half[9][8];
#pragma clang loop unroll(full)
      for (int j = 0; j < 9; j++) {
        vec column[9];
#pragma clang loop unroll(full)
        for (int i = 0; i < 9; i++)
          column[i] = *(const vec_memory *)(source + strided_place(i, j, point, b, count * BLOCK));
        if (by_input) strided_inputs(column, half[j]);
        else strided_outputs(column, half[j]);
      }
      for (int64_t i = 0; i < smaller(rows, 4 * step); i++) {
        vec line[9], row[8];
#pragma clang loop unroll(full)
        for (int j = 0; j < 9; j++) line[j] = half[j][i];
        if (!by_input) {
          strided_outputs(line, row);
          finish_row(row, ending, (k + b) * BLOCK, place + i * plane_width, columns,
                     4 * plane_width, output);
          continue;
        }
        strided_inputs(line, row);
        vec_memory *target = (vec_memory *)output + place + i * plane_width;
        fetch(target + 8 * plane_width, 8);
#pragma clang loop unroll(full)
        for (int j = 0; j < 8; j++)
          if (j < columns) target[j] = row[j];
      }
    }
  }
}
