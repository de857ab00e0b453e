#ifndef MECA_KERNELS_H
#define MECA_KERNELS_H
#include <stddef.h>
#include <stdint.h>
#endif
