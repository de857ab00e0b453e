#include "meca_kernels.h"
