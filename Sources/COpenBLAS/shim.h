#include <cblas.h>

// LAPACK is in the same library; Debian's headers of it are a package of their own.

/// Cholesky factor of a symmetric matrix, in place; Fortran's calling convention.
void dpotrf_(const char *uplo, const int *order, double *matrix, const int *leading, int *info,
             size_t uplo_length);
