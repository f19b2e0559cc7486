/* Segment a binary PGM (P5, 8 bit) with an exported model in C; no Python, nothing of hybridseg.

     cc segment.c -I INCLUDE -L LIB -l onnxruntime -o segment && ./segment model.onnx scan.pgm [mask.pgm]

   Prints the image's size, the mask's pixels and its checksum, as checksum.py and segment.mjs do. */
#define _POSIX_C_SOURCE 200112L /* setenv */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <onnxruntime_c_api.h>

static const OrtApi *ort;

static void check(OrtStatus *status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", ort->GetErrorMessage(status));
  exit(1);
}

static void *need(void *pointer, const char *what) {
  if (pointer == NULL) fprintf(stderr, "can't read %s\n", what), exit(2);
  return pointer;
}

/* The next number of a PGM's header, 0 if there is none; a comment goes from # to the end of its line. */
static int number(FILE *file) {
  int value = 0, c;
  while (isspace(c = fgetc(file)) || c == '#')
    if (c == '#') fscanf(file, "%*[^\n]");
  ungetc(c, file);
  return fscanf(file, "%d", &value) == 1 ? value : 0;
}

int main(int count, char **arguments) {
  if (count < 3) return fprintf(stderr, "usage: segment model.onnx scan.pgm [mask.pgm]\n"), 2;
  FILE *file = need(fopen(arguments[2], "rb"), arguments[2]);
  if (fgetc(file) != 'P' || fgetc(file) != '5') need(NULL, "it: not a binary PGM");
  int width = number(file), height = number(file);
  if (width < 1 || height < 1 || number(file) != 255) need(NULL, "the PGM's header: two sides and 255");
  fgetc(file);
  size_t size = (size_t)width * (size_t)height, lesion = 0;
  uint8_t *pixels = need(malloc(size), arguments[2]), *mask;
  if (fread(pixels, 1, size, file) != size) need(NULL, "all of the PGM's pixels");
  fclose(file);

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
  printf("%dx%d lesion pixels %zu checksum %08x\n", width, height, lesion, hash);
  if (count > 3) {
    FILE *out = need(fopen(arguments[3], "wb"), arguments[3]);
    fprintf(out, "P5\n%d %d\n255\n", width, height);
    for (size_t i = 0; i < size; ++i) fputc(mask[i] ? 255 : 0, out);
    fclose(out);
  }
  return 0;
}
