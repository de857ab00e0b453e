#include "lanes.h"

// Row by row over the neighbouring channels of a block: at most 16 of them at a time, in vectors of
// 8 where there are 8. Results of a row that no edge cuts off are worked on side by side; every sum
// takes its terms in the order of the kernel's points, wherever it is in row and batch.

// One row of results; result k is the sum over rows r and taps t of
//   from[r · row_step][first + k·step + t·tap_step] · weights[r · weight_row + t · weight_tap]
// and is written to[k · to_step]; columns outside count as zero.
typedef struct {
  const float *from, *weights;
  float *to;
  int64_t rows, row_step, weight_row;   // steps in floats
  int64_t taps, tap_step, weight_tap;   // steps in points, in floats of the weights
  int64_t columns, first, step;         // of `from`
  int64_t count, to_step;
  int64_t inner_begin, inner_end;       // results whose taps all lie inside
} gather;

// One row of a gradient by the output and the row of the input that a kernel row meets it with.
typedef struct {
  const float *gradient, *input;
  int64_t count, columns, first;
  int64_t inner_begin, inner_end;
} correlation;

#define LANE_COUNT 8
#include "depthwise_rows.h"
#undef LANE_COUNT
#define LANE_COUNT 16
#include "depthwise_rows.h"
#undef LANE_COUNT

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// The k from 0 to count - 1 for which `columns` contains both low + k·step and high + k·step.
INLINE void inner_range(int64_t low, int64_t high, int64_t step, int64_t columns, int64_t count,
                        int64_t *begin, int64_t *end) {
  *begin = least(count, low < 0 ? (-low + step - 1) / step : 0);
  *end = high >= columns ? 0 : least(count, (columns - 1 - high) / step + 1);
  *end = most(*begin, *end);
}

INLINE void run_gather(gather *g, int64_t point, int width) {
  const int64_t last = g->first + (g->taps - 1) * g->tap_step;
  inner_range(least(g->first, last), most(g->first, last), g->step, g->columns, g->count,
              &g->inner_begin, &g->inner_end);
  if (width == 16) {
    gather_row_16(g, point, 16);
  } else if (width == 8) {
    gather_row_8(g, point, 8);
  } else {
    gather_with_16(g, g->taps, g->step, g->tap_step, point, width);
  }
}

// Channels that are worked on together: where they begin in an image and in a kernel point's
// weights.
typedef struct {
  int64_t input, output, weights;
  int width;
} channel_group;

INLINE int64_t group_count(const meca_depthwise *d) { return d->blocks * ((d->block + 15) / 16); }

INLINE channel_group group_at(const meca_depthwise *d, int64_t index) {
  const int64_t per_block = (d->block + 15) / 16;
  const int64_t block = index / per_block, place = index % per_block * 16;
  return (channel_group){
      .input = block * d->height * d->width * d->block + place,
      .output = block * d->out_height * d->out_width * d->block + place,
      .weights = block * d->block + place,
      .width = (int)least(16, d->block - place),
  };
}

CLONES void meca_depthwise_forward(meca_depthwise d, const float *restrict input,
                                   const float *restrict weights, float *restrict output) {
  const int64_t padded = d.blocks * d.block;
  for (int64_t index = 0; index < group_count(&d); index++) {
    const channel_group c = group_at(&d, index);
    for (int64_t n = 0; n < d.batch; n++) {
      const float *x = input + n * d.height * d.width * padded + c.input;
      float *y = output + n * d.out_height * d.out_width * padded + c.output;
      for (int64_t i = 0; i < d.out_height; i++) {
        const int64_t top = i * d.stride - d.padding, r = most(0, -top);
        gather g = {
            .from = x + (top + r) * d.width * d.block,
            .weights = weights + r * d.kernel * padded + c.weights,
            .to = y + i * d.out_width * d.block,
            .rows = most(0, least(d.kernel, d.height - top) - r),
            .row_step = d.width * d.block,
            .weight_row = d.kernel * padded,
            .taps = d.kernel,
            .tap_step = 1,
            .weight_tap = padded,
            .columns = d.width,
            .first = -d.padding,
            .step = d.stride,
            .count = d.out_width,
            .to_step = 1,
        };
        run_gather(&g, d.block, c.width);
      }
    }
  }
}

// Input point h meets kernel point r where h + padding - r is a multiple of the stride. So columns of
// equal rest have the same taps, and meet neighbouring outputs: with stride 2, padding 1 and 3
// points, column 0 meets tap 1 of output 0, column 1 meets taps 0 and 2 of outputs 1 and 0.
CLONES void meca_depthwise_backward_input(meca_depthwise d, const float *restrict grad_output,
                                          const float *restrict weights,
                                          float *restrict grad_input) {
  const int64_t padded = d.blocks * d.block;
  for (int64_t index = 0; index < group_count(&d); index++) {
    const channel_group c = group_at(&d, index);
    for (int64_t n = 0; n < d.batch; n++) {
      const float *dy = grad_output + n * d.out_height * d.out_width * padded + c.output;
      float *dx = grad_input + n * d.height * d.width * padded + c.input;
      for (int64_t h = 0; h < d.height; h++) {
        // The first kernel row that meets an output row, and that row; the next ones go up.
        int64_t r = (h + d.padding) % d.stride, i = (h + d.padding) / d.stride;
        const int64_t skipped = most(0, i - (d.out_height - 1));
        r += skipped * d.stride, i -= skipped;
        const int64_t kernel_rows = r < d.kernel ? (d.kernel - 1 - r) / d.stride + 1 : 0;
        for (int64_t phase = 0; phase < least(d.stride, d.width); phase++) {
          const int64_t s = (phase + d.padding) % d.stride;
          gather g = {
              .from = dy + i * d.out_width * d.block,
              .weights = weights + (r * d.kernel + s) * padded + c.weights,
              .to = dx + (h * d.width + phase) * d.block,
              .rows = least(kernel_rows, i + 1),
              .row_step = -d.out_width * d.block,
              .weight_row = d.stride * d.kernel * padded,
              .taps = s < d.kernel ? (d.kernel - 1 - s) / d.stride + 1 : 0,
              .tap_step = -1,
              .weight_tap = d.stride * padded,
              .columns = d.out_width,
              .first = (phase + d.padding) / d.stride,
              .step = 1,
              .count = (d.width - 1 - phase) / d.stride + 1,
              .to_step = d.stride,
          };
          run_gather(&g, d.block, c.width);
        }
      }
    }
  }
}

// Sums of the gradient by weights: floats for up to LIMIT - 1 terms and one more row, then doubles.
enum { LIMIT = 64 };

int64_t meca_depthwise_work_floats(meca_depthwise d) { return 3 * 16 * d.kernel * d.kernel; }

INLINE void run_correlation(const correlation *c, int taps, int64_t stride, int64_t point,
                            int width, float *sums) {
  if (width == 16) {
    correlate_row_16(c, taps, stride, point, 16, sums);
  } else if (width == 8) {
    correlate_row_8(c, taps, stride, point, 8, sums);
  } else {
    correlate_row_16(c, taps, stride, point, width, sums);
  }
}

CLONES void meca_depthwise_backward_weights(meca_depthwise d, const float *restrict input,
                                            const float *restrict grad_output,
                                            float *restrict grad_weights, float *restrict work) {
  const int64_t padded = d.blocks * d.block, taps = d.kernel * d.kernel;
  double *totals = (double *)work;
  float *sums = work + 2 * 16 * taps;
  for (int64_t index = 0; index < group_count(&d); index++) {
    const channel_group c = group_at(&d, index);
    const int64_t lanes = c.width == 8 ? 8 : 16;
    memset(totals, 0, (size_t)(taps * lanes) * sizeof(double));
    memset(sums, 0, (size_t)(taps * lanes) * sizeof(float));
    int64_t pending = 0;
    for (int64_t n = 0; n < d.batch; n++) {
      const float *x = input + n * d.height * d.width * padded + c.input;
      const float *dy = grad_output + n * d.out_height * d.out_width * padded + c.output;
      for (int64_t i = 0; i < d.out_height; i++) {
        const int64_t top = i * d.stride - d.padding;
        for (int64_t r = most(0, -top); r < least(d.kernel, d.height - top); r++) {
          correlation row = {
              .gradient = dy + i * d.out_width * d.block,
              .input = x + (top + r) * d.width * d.block,
              .count = d.out_width,
              .columns = d.width,
              .first = -d.padding,
          };
          float *target = sums + r * d.kernel * lanes;
          inner_range(row.first, row.first + (d.kernel == 3 ? 2 : 0), d.stride, d.width,
                      d.out_width, &row.inner_begin, &row.inner_end);
          if (d.kernel == 3 && d.stride == 1) {
            run_correlation(&row, 3, 1, d.block, c.width, target);
          } else if (d.kernel == 3) {
            run_correlation(&row, 3, d.stride, d.block, c.width, target);
          } else {
            row.inner_end = row.inner_begin;
            for (int64_t s = 0; s < d.kernel; s++, row.first++)
              run_correlation(&row, 1, d.stride, d.block, c.width, target + s * lanes);
          }
        }
        pending += d.out_width;
        if (pending < LIMIT && (n + 1 < d.batch || i + 1 < d.out_height)) continue;
        for (int64_t t = 0; t < taps * lanes; t++) {
          totals[t] += (double)sums[t];
          sums[t] = 0;
        }
        pending = 0;
      }
    }
    for (int64_t t = 0; t < taps; t++)
      for (int l = 0; l < c.width; l++)
        grad_weights[t * padded + c.weights + l] = (float)totals[t * lanes + l];
  }
}
