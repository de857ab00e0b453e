// JPEG, PNG and WebP behind functions that return: libjpeg and libpng report errors by a jump, which must
// not cross frames of Swift. Every function here is safe with any bytes and from any thread.
#ifndef MECA_IMAGES_H
#define MECA_IMAGES_H

#include <stddef.h>
#include <stdint.h>

// Room for a message, its closing zero included; messages are one line.
enum { MECA_IMAGE_MESSAGE = 256 };

// What a file's header says.
typedef struct {
  uint32_t width;
  uint32_t height;
  // Whether pixels carry transparency (PNG, WebP).
  int32_t has_alpha;
  // Fewest bytes that a complete file of this size can have; saves allocating for a false header.
  uint64_t least_bytes;
} MecaImageHeader;

// All functions but those that encode: `bytes` is the whole file. They return 0, or -1 with the
// library's reason in `message`, which has MECA_IMAGE_MESSAGE bytes.

// Reads the header; allocates nothing that depends on the image's size.
int32_t meca_jpeg_header(
    const void *bytes, size_t count, MecaImageHeader *header, char *message);
int32_t meca_png_header(const void *bytes, size_t count, MecaImageHeader *header, char *message);
int32_t meca_webp_header(const void *bytes, size_t count, MecaImageHeader *header, char *message);

// Decodes to three planes of width x height bytes; `width` and `height` are those of the header.
// Corrupt or missing picture data is an error, odd bytes between a file's parts are none.
int32_t meca_jpeg_decode(
    const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *planes,
    char *message);
// The same; `alpha` has width x height bytes, or is NULL where the header says no transparency.
int32_t meca_png_decode(
    const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *planes,
    uint8_t *alpha, char *message);
int32_t meca_webp_decode(
    const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *planes,
    uint8_t *alpha, char *message);

// Encodes one or three planes of width x height bytes as an 8-bit grey or RGB PNG without ancillary
// chunks. On success *file has *count bytes and is to be freed with free().
int32_t meca_png_encode(
    const uint8_t *planes, int32_t channels, uint32_t width, uint32_t height, uint8_t **file,
    size_t *count, char *message);

// Encodes three planes as a JPEG file of `quality` 1 to 100, with full resolution of colours. As above.
int32_t meca_jpeg_encode(
    const uint8_t *planes, uint32_t width, uint32_t height, int32_t quality, uint8_t **file,
    size_t *count, char *message);

#endif
