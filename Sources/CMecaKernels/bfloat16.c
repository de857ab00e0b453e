#include "lanes.h"

// The upper half of a float, rounded to nearest, ties to even. What is not a number stays that.
INLINE uint32_t rounded(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t up = bits + 0x7fff + (bits >> 16 & 1);
  return value != value ? bits | 0x400000 : up;
}

CLONES void meca_to_bfloat16(int64_t count, const float *restrict x, uint16_t *restrict y) {
  for (int64_t i = 0; i < count; i++) y[i] = (uint16_t)(rounded(x[i]) >> 16);
}

CLONES void meca_round_to_bfloat16(int64_t count, const float *restrict x, float *restrict y) {
  for (int64_t i = 0; i < count; i++) {
    const uint32_t bits = rounded(x[i]) & 0xffff0000;
    memcpy(y + i, &bits, sizeof bits);
  }
}
