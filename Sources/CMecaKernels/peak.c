#include "lanes.h"

// Ten chains hide a latency of five cycles of two units; 12 and 16 fit into the registers of AVX2 and
// AVX-512.
#define RUN(type, count)                                                         \
  type sums[count], factor = {0}, more = {0};                                    \
  factor += 0.999f, more += 0.001f;                                              \
  for (int c = 0; c < (count); c++) sums[c] = more + (float)c;                   \
  for (int64_t r = 0; r < rounds; r++) {                                         \
    _Pragma("clang loop unroll(full)") for (int c = 0; c < (count); c++)         \
        sums[c] = __builtin_elementwise_fma(sums[c], factor, more);              \
  }                                                                              \
  float total = 0;                                                               \
  for (int c = 0; c < (count); c++)                                              \
    for (size_t l = 0; l < sizeof(type) / sizeof(float); l++) total += sums[c][l]; \
  *sink = total;                                                                 \
  return 2.0 * (double)rounds * (count) * (double)(sizeof(type) / sizeof(float))

#if defined(__x86_64__)
typedef float vec8 __attribute__((vector_size(32)));
__attribute__((target("avx512f"))) static double run_16(int64_t rounds, volatile float *sink) {
  RUN(vec, 16);
}
__attribute__((target("avx2,fma"))) static double run_8(int64_t rounds, volatile float *sink) {
  RUN(vec8, 12);
}
double meca_multiply_add(int64_t rounds, volatile float *sink) {
  if (__builtin_cpu_supports("avx512f")) return run_16(rounds, sink);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return run_8(rounds, sink);
  return 0;
}
#else
typedef float vec4 __attribute__((vector_size(16)));
double meca_multiply_add(int64_t rounds, volatile float *sink) { RUN(vec4, 16); }
#endif
