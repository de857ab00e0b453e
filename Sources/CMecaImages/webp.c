#include "meca_images.h"

#include <stdio.h>
#include <stdlib.h>

#include <webp/decode.h>

static int32_t refuse(char *message, const char *reason) {
  snprintf(message, MECA_IMAGE_MESSAGE, "%s", reason);
  return -1;
}

static const char *reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "no memory";
    case VP8_STATUS_BITSTREAM_ERROR:
      return "damaged picture data";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a feature that the library does not know";
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "ends too early";
    default:
      return "cannot be decoded";
  }
}

int32_t meca_webp_header(const void *bytes, size_t count, MecaImageHeader *header, char *message) {
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(bytes, count, &features);
  if (status != VP8_STATUS_OK) return refuse(message, reason(status));
  if (features.has_animation) return refuse(message, "an animation; take one picture of it");
  header->width = (uint32_t)features.width;
  header->height = (uint32_t)features.height;
  header->has_alpha = features.has_alpha;
  // Both codings can say a picture of one colour in a few bytes, and a side has 16,383 pixels at
  // most.
  header->least_bytes = 0;
  return 0;
}

int32_t meca_webp_decode(
    const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *planes,
    uint8_t *alpha, char *message) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return refuse(message, "libwebp is of another version");
  VP8StatusCode status = WebPGetFeatures(bytes, count, &config.input);
  if (status != VP8_STATUS_OK) return refuse(message, reason(status));
  if ((uint32_t)config.input.width != width || (uint32_t)config.input.height != height ||
      (config.input.has_alpha != 0) != (alpha != NULL)) {
    return refuse(message, "changed while it was read");
  }
  // What decides about the pixels is not left to defaults.
  config.options.no_fancy_upsampling = 0;
  config.options.bypass_filtering = 0;
  config.options.dithering_strength = 0;
  config.options.alpha_dithering_strength = 0;
  config.options.use_threads = 0;
  config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
  status = WebPDecode(bytes, count, &config);
  if (status != VP8_STATUS_OK) {
    WebPFreeDecBuffer(&config.output);
    return refuse(message, reason(status));
  }
  size_t size = (size_t)width * height;
  int channels = alpha ? 4 : 3;
  for (uint32_t row = 0; row < height; row++) {
    const uint8_t *line = config.output.u.RGBA.rgba + (size_t)row * config.output.u.RGBA.stride;
    size_t place = (size_t)row * width;
    for (uint32_t column = 0; column < width; column++, line += channels, place++) {
      planes[place] = line[0];
      planes[size + place] = line[1];
      planes[2 * size + place] = line[2];
      if (alpha) alpha[place] = line[3];
    }
  }
  WebPFreeDecBuffer(&config.output);
  return 0;
}
