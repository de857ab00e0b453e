// AVX-512 alone has vectors of 16 floats.
#if defined(__x86_64__)
#define BLOCK 16
#define NAME(function) function##_16
#include "winograd_kernels.h"
#else
typedef int nothing_here;
#endif
