/* Segment a PNG with an exported model in C; no Python, nothing of hybridseg. LodePNG (zlib licence) reads the PNG.

     cc segment.c lodepng.c -I INCLUDE -L LIB -l onnxruntime -o segment && ./segment model.onnx scan.png [mask.png]

   Prints the image's size, the mask's pixels and its checksum, as checksum.py, segment.cs and segment.mjs do. */
#define _POSIX_C_SOURCE 200112L /* setenv */
#include <stdio.h>
#include <stdlib.h>

#include <lodepng.h>
#include <onnxruntime_c_api.h>

static const OrtApi *ort;

static void check(OrtStatus *status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", ort->GetErrorMessage(status));
  exit(1);
}

static void need(unsigned error, const char *path) {
  if (error == 0) return;
  fprintf(stderr, "%s: %s\n", path, lodepng_error_text(error));
  exit(2);
}

int main(int count, char **arguments) {
  if (count < 3) return fprintf(stderr, "usage: segment model.onnx scan.png [mask.png]\n"), 2;
  unsigned char *pixels;
  unsigned width, height;
  need(lodepng_decode_file(&pixels, &width, &height, arguments[2], LCT_RGB, 8), arguments[2]);
  size_t size = (size_t)width * height, lesion = 0;
  for (size_t i = 0; i < size; ++i) { /* the weights of ITU-R BT.601, as Pillow's mode L has them; grey stays as it is */
    const unsigned char *rgb = pixels + 3 * i;
    pixels[i] = (rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16;
  }
  uint8_t *mask;

  setenv("ORT_DISABLE_TELEMETRY", "1", 1); /* from 1.29 on onnxruntime reports to its maker; no call stops all of it */
  ort = OrtGetApiBase()->GetApi(18); /* the C API of onnxruntime 1.18 or newer */
  OrtEnv *env;
  OrtSessionOptions *options;
  OrtSession *session;
  OrtMemoryInfo *memory;
  OrtValue *image, *result = NULL;
  const int64_t shape[] = {1, height, width, 1};
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "segment", &env));
  check(ort->CreateSessionOptions(&options));
  check(ort->SetIntraOpNumThreads(options, 1));
  check(ort->CreateSession(env, arguments[1], options, &session));
  check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  check(ort->CreateTensorWithDataAsOrtValue(memory, pixels, size, shape, 4, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, &image));
  check(ort->Run(session, NULL, (const char *[]){"image"}, (const OrtValue *[]){image}, 1, (const char *[]){"mask"}, 1, &result));
  check(ort->GetTensorMutableData(result, (void **)&mask));

  uint32_t hash = 0x811c9dc5u; /* FNV-1a */
  for (size_t i = 0; i < size; ++i) lesion += mask[i], hash = (hash ^ mask[i]) * 0x01000193u;
  printf("%ux%u lesion pixels %zu checksum %08x\n", width, height, lesion, hash);
  if (count > 3) {
    for (size_t i = 0; i < size; ++i) pixels[i] = mask[i] ? 255 : 0;
    need(lodepng_encode_file(arguments[3], pixels, width, height, LCT_GREY, 8), arguments[3]);
  }
  return 0;
}
