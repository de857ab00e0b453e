#include "meca_mpi.h"
