#define BLOCK 16
#define NAME(function) function##_16
#include "pointwise_kernels.h"
