#define BLOCK 8
#define NAME(function) function##_8
#include "winograd_kernels.h"
