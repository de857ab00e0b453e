#include "meca_images.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

static void fail(png_structp png, png_const_charp reason) {
  snprintf(png_get_error_ptr(png), MECA_IMAGE_MESSAGE, "%s", reason);
  png_longjmp(png, 1);
}

static void stay_silent(png_structp png, png_const_charp reason) {
  (void)png;
  (void)reason;
}

typedef struct {
  png_structp png;
  png_infop info;
  const uint8_t *bytes;
  size_t left;
  // What an error must free.
  uint8_t *buffer;
} Reader;

static void read_bytes(png_structp png, png_bytep destination, size_t count) {
  Reader *reader = png_get_io_ptr(png);
  if (count > reader->left) png_error(png, "ends too early");
  memcpy(destination, reader->bytes, count);
  reader->bytes += count;
  reader->left -= count;
}

// Every chunk but those that make the picture is passed over unread.
static void skip_ancillary_chunks(png_structp png) {
  static const png_byte wanted[] = "IHDR\0PLTE\0tRNS\0IDAT\0IEND";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, wanted, 5);
}

// As in jpeg.c: nothing of the frame that setjmp returns to changes between it and the clean-up.
static int32_t run(
    const void *bytes, size_t count, char *message, void (*work)(Reader *, void *),
    void *context) {
  Reader reader = {NULL, NULL, bytes, count, NULL};
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, fail, stay_silent);
  if (reader.png) reader.info = png_create_info_struct(reader.png);
  if (!reader.info) {
    snprintf(message, MECA_IMAGE_MESSAGE, "libpng cannot start: no memory, or another version");
    png_destroy_read_struct(&reader.png, NULL, NULL);
    return -1;
  }
  Reader *volatile kept = &reader;
  if (setjmp(png_jmpbuf(reader.png))) {
    free(kept->buffer);
    png_destroy_read_struct(&kept->png, &kept->info, NULL);
    return -1;
  }
  png_set_benign_errors(reader.png, 1);
  // The caller has its own limit on the number of pixels.
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_read_fn(reader.png, &reader, read_bytes);
  skip_ancillary_chunks(reader.png);
  png_read_info(reader.png, reader.info);
  work(&reader, context);
  free(reader.buffer);
  png_destroy_read_struct(&reader.png, &reader.info, NULL);
  return 0;
}

static int has_alpha(const Reader *reader) {
  return (png_get_color_type(reader->png, reader->info) & PNG_COLOR_MASK_ALPHA) != 0 ||
         png_get_valid(reader->png, reader->info, PNG_INFO_tRNS) != 0;
}

static void read_size(Reader *reader, void *context) {
  MecaImageHeader *header = context;
  header->width = png_get_image_width(reader->png, reader->info);
  header->height = png_get_image_height(reader->png, reader->info);
  header->has_alpha = has_alpha(reader);
  // Deflate makes at most 1032 bytes of one.
  header->least_bytes =
      (uint64_t)png_get_rowbytes(reader->png, reader->info) * header->height / 1032;
}

int32_t meca_png_header(const void *bytes, size_t count, MecaImageHeader *header, char *message) {
  return run(bytes, count, message, read_size, header);
}

typedef struct {
  uint32_t width, height;
  uint8_t *planes;
  uint8_t *alpha;
} Picture;

static void spread(const uint8_t *row, int channels, const Picture *picture, size_t start) {
  size_t size = (size_t)picture->width * picture->height;
  for (uint32_t column = 0; column < picture->width; column++, row += channels) {
    picture->planes[start + column] = row[0];
    picture->planes[size + start + column] = row[1];
    picture->planes[2 * size + start + column] = row[2];
    if (channels == 4) picture->alpha[start + column] = row[3];
  }
}

static void read_picture(Reader *reader, void *context) {
  const Picture *picture = context;
  png_structp png = reader->png;
  int channels = picture->alpha ? 4 : 3;
  if (png_get_image_width(png, reader->info) != picture->width ||
      png_get_image_height(png, reader->info) != picture->height ||
      has_alpha(reader) != (channels == 4)) {
    png_error(png, "changed while it was read");
  }
  // Everything to 8-bit RGB or RGBA. 16 bits are divided by 257 and rounded.
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  size_t row_bytes = (size_t)picture->width * channels;
  if (png_get_rowbytes(png, reader->info) != row_bytes) png_error(png, "odd row length");
  // Interlaced pictures come in passes over all rows.
  uint32_t rows = passes > 1 ? picture->height : 1;
  reader->buffer = calloc(rows, row_bytes);
  if (!reader->buffer) png_error(png, "no memory");
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t row = 0; row < picture->height; row++) {
      uint8_t *line = reader->buffer + (passes > 1 ? row * row_bytes : 0);
      png_read_row(png, line, NULL);
      if (pass == passes - 1) spread(line, channels, picture, (size_t)row * picture->width);
    }
  }
  png_read_end(png, NULL);
}

int32_t meca_png_decode(
    const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *planes,
    uint8_t *alpha, char *message) {
  Picture picture = {width, height, planes, alpha};
  return run(bytes, count, message, read_picture, &picture);
}

typedef struct {
  uint8_t *bytes;
  size_t count, room;
  uint8_t *row;
} Writer;

static void write_bytes(png_structp png, png_bytep source, size_t count) {
  Writer *writer = png_get_io_ptr(png);
  if (writer->count + count > writer->room) {
    size_t room = 2 * (writer->count + count);
    uint8_t *larger = realloc(writer->bytes, room);
    if (!larger) png_error(png, "no memory");
    writer->bytes = larger;
    writer->room = room;
  }
  memcpy(writer->bytes + writer->count, source, count);
  writer->count += count;
}

static void flush(png_structp png) { (void)png; }

static void write_picture(
    png_structp png, png_infop info, Writer *writer, const uint8_t *planes, int channels,
    uint32_t width, uint32_t height) {
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_write_fn(png, writer, write_bytes, flush);
  // Nothing is left to the library's defaults, so that its versions differ in zlib alone.
  png_set_compression_level(png, 6);
  png_set_compression_mem_level(png, 8);
  png_set_compression_strategy(png, 1);  // Z_FILTERED
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_ALL_FILTERS);
  png_set_IHDR(
      png, info, width, height, 8, channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
      PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  writer->row = malloc((size_t)width * channels);
  if (!writer->row) png_error(png, "no memory");
  size_t size = (size_t)width * height;
  for (uint32_t row = 0; row < height; row++) {
    const uint8_t *line = planes + (size_t)row * width;
    for (uint32_t column = 0; column < width; column++) {
      for (int channel = 0; channel < channels; channel++) {
        writer->row[(size_t)column * channels + channel] = line[channel * size + column];
      }
    }
    png_write_row(png, writer->row);
  }
  png_write_end(png, NULL);
}

int32_t meca_png_encode(
    const uint8_t *planes, int32_t channels, uint32_t width, uint32_t height, uint8_t **file,
    size_t *count, char *message) {
  Writer writer = {NULL, 0, 0, NULL};
  Writer *volatile kept = &writer;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, fail, stay_silent);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    snprintf(message, MECA_IMAGE_MESSAGE, "libpng cannot start: no memory, or another version");
    png_destroy_write_struct(&png, NULL);
    return -1;
  }
  if (setjmp(png_jmpbuf(png))) {
    free(kept->row);
    free(kept->bytes);
    png_destroy_write_struct(&png, &info);
    return -1;
  }
  write_picture(png, info, &writer, planes, channels, width, height);
  free(writer.row);
  png_destroy_write_struct(&png, &info);
  *file = writer.bytes;
  *count = writer.count;
  return 0;
}
