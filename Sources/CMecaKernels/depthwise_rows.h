// The loops of depthwise.c over one row, for vectors of LANE_COUNT channels; included once for each.
// Vectors are the neighbouring channels of one point, so that no sum depends on their number.

#define PASTE(name, count) name##count
#define EXPAND(name, count) PASTE(name, count)
#define NAME(name) EXPAND(name##_, LANE_COUNT)
#define V NAME(channels)
#define V_UNALIGNED NAME(channels_unaligned)

typedef float V __attribute__((vector_size(LANE_COUNT * 4)));
typedef float V_UNALIGNED __attribute__((vector_size(LANE_COUNT * 4), aligned(4), may_alias));

INLINE void NAME(load)(V *v, const float *p, int width) {
  if (width == LANE_COUNT) {
    *v = *(const V_UNALIGNED *)p;
  } else {
    const V zero = {0};
    *v = zero;
    memcpy(v, p, (size_t)width * sizeof(float));
  }
}

INLINE void NAME(store)(float *p, const V *v, int width) {
  if (width == LANE_COUNT) {
    *(V_UNALIGNED *)p = *v;
  } else {
    memcpy(p, v, (size_t)width * sizeof(float));
  }
}

// Results side by side: enough independent sums to hide the latency of an addition.
#define COLUMNS (64 / LANE_COUNT)

// `count` results from `k` on, all of whose taps lie inside.
INLINE void NAME(inner)(const gather *g, int count, int64_t k, int64_t taps, int64_t step,
                        int64_t tap_step, int64_t point, int width) {
  V sums[COLUMNS] = {{0}};
  for (int64_t r = 0; r < g->rows; r++) {
    const float *from = g->from + r * g->row_step + (g->first + k * step) * point;
    const float *weights = g->weights + r * g->weight_row;
    for (int64_t t = 0; t < taps; t++) {
      V weight;
      NAME(load)(&weight, weights + t * g->weight_tap, width);
      for (int c = 0; c < count; c++) {
        V value;
        NAME(load)(&value, from + (c * step + t * tap_step) * point, width);
        sums[c] += value * weight;
      }
    }
  }
  for (int c = 0; c < count; c++)
    NAME(store)(g->to + (k + c) * g->to_step * point, &sums[c], width);
}

// Result `k`, some of whose taps may lie outside.
INLINE void NAME(edge)(const gather *g, int64_t k, int64_t point, int width) {
  V sum = {0};
  const int64_t column = g->first + k * g->step;
  for (int64_t r = 0; r < g->rows; r++)
    for (int64_t t = 0; t < g->taps; t++) {
      int64_t c = column + t * g->tap_step;
      if (c < 0 || c >= g->columns) continue;
      V value, weight;
      NAME(load)(&value, g->from + r * g->row_step + c * point, width);
      NAME(load)(&weight, g->weights + r * g->weight_row + t * g->weight_tap, width);
      sum += value * weight;
    }
  NAME(store)(g->to + k * g->to_step * point, &sum, width);
}

INLINE void NAME(gather_with)(const gather *g, int64_t taps, int64_t step, int64_t tap_step,
                              int64_t point, int width) {
  int64_t k = 0;
  for (; k < g->inner_begin; k++) NAME(edge)(g, k, point, width);
  for (; k + COLUMNS <= g->inner_end; k += COLUMNS)
    NAME(inner)(g, COLUMNS, k, taps, step, tap_step, point, width);
  for (; k + 2 <= g->inner_end; k += 2)
    NAME(inner)(g, 2, k, taps, step, tap_step, point, width);
  for (; k < g->count; k++) NAME(edge)(g, k, point, width);
}

// One row of results.
INLINE void NAME(gather_row)(const gather *g, int64_t point, int width) {
#define WITH(a, b, c)                                                \
  if (g->taps == (a) && g->step == (b) && g->tap_step == (c)) {      \
    NAME(gather_with)(g, a, b, c, point, width);                     \
    return;                                                          \
  }
  // 3x3: forward with stride 1 and 2, by input with stride 1 and the two phases of stride 2.
  WITH(3, 1, 1)
  WITH(3, 2, 1)
  WITH(3, 1, -1)
  WITH(2, 1, -1)
  WITH(1, 1, -1)
#undef WITH
  NAME(gather_with)(g, g->taps, g->step, g->tap_step, point, width);
}

// Adds gradient[j] · input[j·stride + first + t], for taps t from 0 on, to sums[t].
INLINE void NAME(correlate_row)(const correlation *c, int taps, int64_t stride, int64_t point,
                                int width, float *sums) {
  V s[3];
  for (int t = 0; t < taps; t++) NAME(load)(&s[t], sums + t * LANE_COUNT, LANE_COUNT);
  for (int64_t j = 0; j < c->count; j++) {
    const int64_t column = c->first + j * stride;
    V gradient, value;
    NAME(load)(&gradient, c->gradient + j * point, width);
    if (j >= c->inner_begin && j < c->inner_end) {
      for (int t = 0; t < taps; t++) {
        NAME(load)(&value, c->input + (column + t) * point, width);
        s[t] += value * gradient;
      }
    } else {
      for (int t = 0; t < taps; t++) {
        if (column + t < 0 || column + t >= c->columns) continue;
        NAME(load)(&value, c->input + (column + t) * point, width);
        s[t] += value * gradient;
      }
    }
  }
  for (int t = 0; t < taps; t++) NAME(store)(sums + t * LANE_COUNT, &s[t], LANE_COUNT);
}

#undef COLUMNS
#undef V_UNALIGNED
#undef V
#undef NAME
#undef EXPAND
#undef PASTE
