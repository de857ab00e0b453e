#ifndef MECA_MPI_H
#define MECA_MPI_H
#include <mpi.h>
#endif
