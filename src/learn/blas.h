/* blas: OpenBLAS as training uses it: on one thread, since others of the process and the machine have work.
 */
#ifndef MT_LEARN_BLAS_H
#define MT_LEARN_BLAS_H

#include <cblas.h>
#include <lapacke.h>

/* From openblas_config.h, which cblas.h of other BLAS libraries does not have. */
extern void openblas_set_num_threads(int num_threads);

#endif
