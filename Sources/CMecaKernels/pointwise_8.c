#define BLOCK 8
#define NAME(function) function##_8
#include "pointwise_kernels.h"
