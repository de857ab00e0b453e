#include "winograd.h"

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Floats from one of the 36 points to the next. One cache line more than the content, since a
// transformation visits all points, and 4 KiB apart they would fall on the same places of the cache.
static int64_t spread(int64_t floats) { return (floats + 15) / 16 * 16 + 16; }

// Rows of V, M and Y that a tile has.
static int64_t places_of(const meca_winograd *w) { return w->stride == 2 ? 81 : POINTS; }

static int64_t all_tiles(const meca_winograd *w) {
  return w->batch * ((outputs_of(w, w->height) + 3) / 4) * ((outputs_of(w, w->width) + 3) / 4);
}

// The size of equal pieces of at most `most` tiles.
static int64_t equal_pieces(int64_t tiles, int64_t most) {
  const int64_t pieces = (tiles + most - 1) / most;
  return (tiles + pieces - 1) / pieces;
}

// Tiles of a chunk where transformed weights stay: V and M of few channels fit the second-level cache
// with room to spare, on processors with AVX2 alone half a megabyte. A tile of stride 2 has 81 values
// for 36.
static int64_t chunk_of(const meca_winograd *w) {
  return w->stride == 2 ? 16 : w->block == 8 ? 24 : 48;
}

// Chunks from 8 to 96 tiles and depths from 32 to 256 channels were measured at 8 to 512 channels: all
// within a few percent around these.
convolution_plan meca_plan_convolution(const meca_winograd *w, int64_t in_blocks,
                                       int64_t out_blocks) {
  convolution_plan p;
  p.tiles = all_tiles(w);
  p.places = places_of(w);
  const int64_t floats = POINTS * in_blocks * out_blocks * w->block * w->block;
  p.resident = floats <= RESIDENT_FLOATS;
  p.chunk = p.resident ? smaller(p.tiles, chunk_of(w))
                       : equal_pieces(p.tiles, w->stride == 2 ? 64 : 128);
  p.depth = smaller(in_blocks, (p.resident ? 256 : 64) / w->block);
  p.v_point = spread(in_blocks * p.chunk * w->block);
  p.m_point = spread(PANEL * p.chunk * w->block);
  p.u_point = spread((p.resident ? in_blocks * out_blocks : PANEL * p.depth) * w->block * w->block);
  return p;
}

gradient_plan meca_plan_gradient(const meca_winograd *w) {
  gradient_plan p;
  const int64_t in = w->in_blocks * w->block, out = w->out_blocks * w->block;
  p.tiles = all_tiles(w);
  p.places = places_of(w);
  // In one chunk where V and Y are smaller than the sums.
  const int fits = p.places * p.tiles * (in + out) <= POINTS * in * out;
  p.chunk = fits ? p.tiles : smaller(p.tiles, chunk_of(w));
  p.v_point = spread(in * p.chunk);
  p.y_point = spread(out * p.chunk);
  p.s_point = spread(p.chunk < p.tiles ? in * out
                                       : smaller(in, GRADIENT_CHANNELS) * GRADIENT_PANEL * w->block);
  return p;
}

static int64_t floats_of_convolution(convolution_plan p) {
  return p.places * (p.v_point + p.m_point) + POINTS * p.u_point;
}

int64_t meca_winograd_work_floats(meca_winograd w, int training) {
  const convolution_plan forward = meca_plan_convolution(&w, w.in_blocks, w.out_blocks);
  const convolution_plan backward = meca_plan_convolution(&w, w.out_blocks, w.in_blocks);
  const gradient_plan gradient = meca_plan_gradient(&w);
  int64_t most = floats_of_convolution(forward), other = floats_of_convolution(backward);
  if (most < other) most = other;
  other = gradient.places * (gradient.v_point + gradient.y_point) + POINTS * gradient.s_point;
  return training && most < other ? other : most;
}

void meca_winograd_convolve(meca_winograd w, int by_input, const float *input,
                            const float *weights, const meca_ending *ending, float *output,
                            float *work) {
  if (w.block == 16) {
    meca_winograd_convolve_16(&w, by_input, input, weights, ending, output, work);
    return;
  }
  meca_winograd_convolve_8(&w, by_input, input, weights, ending, output, work);
}

void meca_winograd_weight_gradient(meca_winograd w, const float *input, const float *grad_output,
                                   float *grad_weights, float *work) {
  if (w.block == 16) {
    meca_winograd_weight_gradient_16(&w, input, grad_output, grad_weights, work);
    return;
  }
  meca_winograd_weight_gradient_8(&w, input, grad_output, grad_weights, work);
}
