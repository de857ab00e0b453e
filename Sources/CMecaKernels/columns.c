#include <string.h>

#include "lanes.h"

// A row of the matrix is one output point; its C-runs lie in the order of the kernel's points.

void meca_images_to_columns(meca_geometry g, int64_t images, const float *restrict input,
                            float *restrict columns) {
  const size_t run = (size_t)g.channels * sizeof(float);
  for (int64_t n = 0; n < images; n++) {
    const float *image = input + n * g.height * g.width * g.channels;
    for (int64_t i = 0; i < g.out_height; i++)
      for (int64_t j = 0; j < g.out_width; j++)
        for (int64_t r = 0; r < g.kernel; r++) {
          int64_t h = i * g.stride + r - g.padding, w = j * g.stride - g.padding;
          if (h >= 0 && h < g.height && w >= 0 && w + g.kernel <= g.width) {
            // A kernel's row inside the image is one piece of memory.
            memcpy(columns, image + (h * g.width + w) * g.channels, run * (size_t)g.kernel);
            columns += g.kernel * g.channels;
            continue;
          }
          for (int64_t s = 0; s < g.kernel; s++, columns += g.channels) {
            if (h < 0 || h >= g.height || w + s < 0 || w + s >= g.width)
              memset(columns, 0, run);
            else
              memcpy(columns, image + (h * g.width + w + s) * g.channels, run);
          }
        }
  }
}

// Every input point gets its terms in the order of the output points, whatever the vector width.
CLONES void meca_columns_to_images(meca_geometry g, int64_t images, const float *restrict columns,
                                   float *restrict output) {
  const int64_t count = g.height * g.width * g.channels;
  memset(output, 0, (size_t)(images * count) * sizeof(float));
  for (int64_t n = 0; n < images; n++) {
    float *image = output + n * count;
    for (int64_t i = 0; i < g.out_height; i++)
      for (int64_t j = 0; j < g.out_width; j++)
        for (int64_t r = 0; r < g.kernel; r++)
          for (int64_t s = 0; s < g.kernel; s++, columns += g.channels) {
            int64_t h = i * g.stride + r - g.padding, w = j * g.stride + s - g.padding;
            if (h < 0 || h >= g.height || w < 0 || w >= g.width) continue;
            float *point = image + (h * g.width + w) * g.channels;
            for (int64_t c = 0; c < g.channels; c++) point[c] += columns[c];
          }
  }
}
