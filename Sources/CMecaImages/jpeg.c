#include "meca_images.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

// Progressive files can demand any number of passes over the picture; usual ones have about 10.
enum { MOST_SCANS = 200 };

typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf escape;
  char *message;
} ErrorManager;

static void fail(j_common_ptr codec) {
  ErrorManager *errors = (ErrorManager *)codec->err;
  char text[JMSG_LENGTH_MAX];
  codec->err->format_message(codec, text);
  snprintf(errors->message, MECA_IMAGE_MESSAGE, "%s", text);
  longjmp(errors->escape, 1);
}

// Warnings that do not touch the picture: odd bytes between parts, unusual version numbers, and
// scan parameters that some encoders of sequential files leave at zero.
static int is_cosmetic(int code) {
  switch (code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_ICC:
      return 1;
    default:
      return 0;
  }
}

static void warn(j_common_ptr codec, int level) {
  if (level < 0 && !is_cosmetic(codec->err->msg_code)) fail(codec);
}

static void stay_silent(j_common_ptr codec) { (void)codec; }

static void count_scans(j_common_ptr codec) {
  if (!codec->is_decompressor || ((j_decompress_ptr)codec)->input_scan_number <= MOST_SCANS) return;
  ErrorManager *errors = (ErrorManager *)codec->err;
  snprintf(errors->message, MECA_IMAGE_MESSAGE, "more than %d progressive scans", MOST_SCANS);
  longjmp(errors->escape, 1);
}

typedef struct {
  struct jpeg_decompress_struct codec;
  ErrorManager errors;
  struct jpeg_progress_mgr progress;
} Decoder;

// What may fail is in functions of its own, called between setjmp and the clean-up: no variable of
// the frame that setjmp returns to is changed in between.
static int32_t run(
    const void *bytes, size_t count, char *message, void (*work)(Decoder *, void *),
    void *context) {
  Decoder decoder;
  memset(&decoder, 0, sizeof decoder);
  decoder.codec.err = jpeg_std_error(&decoder.errors.base);
  decoder.errors.base.error_exit = fail;
  decoder.errors.base.emit_message = warn;
  decoder.errors.base.output_message = stay_silent;
  decoder.errors.message = message;
  decoder.progress.progress_monitor = count_scans;
  if (setjmp(decoder.errors.escape)) {
    jpeg_destroy_decompress(&decoder.codec);
    return -1;
  }
  jpeg_create_decompress(&decoder.codec);
  decoder.codec.progress = &decoder.progress;
  jpeg_mem_src(&decoder.codec, (const unsigned char *)bytes, (unsigned long)count);
  jpeg_read_header(&decoder.codec, TRUE);
  work(&decoder, context);
  jpeg_destroy_decompress(&decoder.codec);
  return 0;
}

static void refuse(Decoder *decoder, const char *reason) {
  snprintf(decoder->errors.message, MECA_IMAGE_MESSAGE, "%s", reason);
  longjmp(decoder->errors.escape, 1);
}

static void read_size(Decoder *decoder, void *context) {
  MecaImageHeader *header = context;
  // Hardly any program reads it, and a few of its bytes can stand for any number of pixels.
  if (decoder->codec.arith_code) refuse(decoder, "arithmetic coding is not supported");
  header->width = decoder->codec.image_width;
  header->height = decoder->codec.image_height;
  header->has_alpha = 0;
  // All components together have a block for every 64 pixels, for every 256 with odd sampling, and
  // its DC coefficient takes a Huffman code of 1 bit at least.
  header->least_bytes = (uint64_t)header->width * header->height / 256 / 8;
}

int32_t meca_jpeg_header(
    const void *bytes, size_t count, MecaImageHeader *header, char *message) {
  return run(bytes, count, message, read_size, header);
}

typedef struct {
  uint32_t width, height;
  uint8_t *planes;
} Picture;

static void spread_rgb(const uint8_t *row, uint32_t width, uint8_t *plane, size_t size) {
  for (uint32_t column = 0; column < width; column++) {
    plane[column] = row[3 * column];
    plane[size + column] = row[3 * column + 1];
    plane[2 * size + column] = row[3 * column + 2];
  }
}

// a·b/255, rounded to nearest.
static uint8_t product(uint32_t a, uint32_t b) {
  uint32_t twice = a * b + 128;
  return (uint8_t)((twice + (twice >> 8)) >> 8);
}

// Four-component files follow Adobe: stored is 255 less the ink, so that light = colour x black.
static void spread_cmyk(const uint8_t *row, uint32_t width, uint8_t *plane, size_t size) {
  for (uint32_t column = 0; column < width; column++) {
    uint32_t black = row[4 * column + 3];
    plane[column] = product(row[4 * column], black);
    plane[size + column] = product(row[4 * column + 1], black);
    plane[2 * size + column] = product(row[4 * column + 2], black);
  }
}

static void read_picture(Decoder *decoder, void *context) {
  Picture *picture = context;
  j_decompress_ptr codec = &decoder->codec;
  if (codec->image_width != picture->width || codec->image_height != picture->height) {
    refuse(decoder, "changed while it was read");
  }
  switch (codec->jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_YCbCr:
    case JCS_RGB:
      codec->out_color_space = JCS_RGB;
      break;
    case JCS_CMYK:
    case JCS_YCCK:
      codec->out_color_space = JCS_CMYK;
      break;
    default:
      refuse(decoder, "neither grey, colour nor CMYK");
  }
  // The accurate variants: with them the processor's vector code gives the same bytes as plain C.
  codec->dct_method = JDCT_ISLOW;
  codec->do_fancy_upsampling = TRUE;
  // Only incomplete progressive files would be smoothed, each version of the library in its own way.
  codec->do_block_smoothing = FALSE;
  jpeg_start_decompress(codec);
  JSAMPARRAY rows = codec->mem->alloc_sarray(
      (j_common_ptr)codec, JPOOL_IMAGE,
      codec->output_width * (JDIMENSION)codec->output_components, 1);
  size_t size = (size_t)picture->width * picture->height;
  while (codec->output_scanline < codec->output_height) {
    uint8_t *plane = picture->planes + (size_t)codec->output_scanline * picture->width;
    jpeg_read_scanlines(codec, rows, 1);
    if (codec->out_color_space == JCS_RGB) {
      spread_rgb(rows[0], picture->width, plane, size);
    } else {
      spread_cmyk(rows[0], picture->width, plane, size);
    }
  }
  jpeg_finish_decompress(codec);
}

int32_t meca_jpeg_decode(
    const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *planes,
    char *message) {
  Picture picture = {width, height, planes};
  return run(bytes, count, message, read_picture, &picture);
}

typedef struct {
  struct jpeg_compress_struct codec;
  ErrorManager errors;
  uint8_t *row;
  unsigned char *file;
  unsigned long count;
} Encoder;

static void write_picture(
    Encoder *encoder, const uint8_t *planes, uint32_t width, uint32_t height, int32_t quality) {
  j_compress_ptr codec = &encoder->codec;
  jpeg_create_compress(codec);
  jpeg_mem_dest(codec, &encoder->file, &encoder->count);
  codec->image_width = width;
  codec->image_height = height;
  codec->input_components = 3;
  codec->in_color_space = JCS_RGB;
  jpeg_set_defaults(codec);
  jpeg_set_quality(codec, quality, TRUE);
  codec->comp_info[0].h_samp_factor = 1;
  codec->comp_info[0].v_samp_factor = 1;
  codec->optimize_coding = TRUE;
  jpeg_start_compress(codec, TRUE);
  size_t size = (size_t)width * height;
  for (uint32_t line = 0; line < height; line++) {
    const uint8_t *from = planes + (size_t)line * width;
    for (uint32_t column = 0; column < width; column++) {
      encoder->row[3 * column] = from[column];
      encoder->row[3 * column + 1] = from[size + column];
      encoder->row[3 * column + 2] = from[2 * size + column];
    }
    JSAMPROW rows[1] = {encoder->row};
    jpeg_write_scanlines(codec, rows, 1);
  }
  jpeg_finish_compress(codec);
}

int32_t meca_jpeg_encode(
    const uint8_t *planes, uint32_t width, uint32_t height, int32_t quality, uint8_t **file,
    size_t *count, char *message) {
  Encoder encoder;
  memset(&encoder, 0, sizeof encoder);
  encoder.codec.err = jpeg_std_error(&encoder.errors.base);
  encoder.errors.base.error_exit = fail;
  encoder.errors.base.output_message = stay_silent;
  encoder.errors.message = message;
  encoder.row = malloc((size_t)3 * width + 1);
  if (encoder.row == NULL) {
    snprintf(message, MECA_IMAGE_MESSAGE, "no memory for a row");
    return -1;
  }
  if (setjmp(encoder.errors.escape)) {
    jpeg_destroy_compress(&encoder.codec);
    free(encoder.row);
    // The file so far is lost: where it lies when it has grown is known to the library alone, and
    // encoder.file may point to what it has freed. Only want of memory leads here.
    return -1;
  }
  write_picture(&encoder, planes, width, height, quality);
  jpeg_destroy_compress(&encoder.codec);
  free(encoder.row);
  *file = encoder.file;
  *count = encoder.count;
  return 0;
}
