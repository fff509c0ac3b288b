/*
 * admin-blas: OpenBLAS starts a thread for each further processor when it is loaded, with every signal open:
 * a SIGTERM for which the program waits elsewhere would be taken there, and end it at once. Nothing here uses
 * more than one thread, so they are sent home as OpenBLAS itself does before a fork.
 */
#include "main/admin.h"

/* Other BLAS libraries, and OpenBLAS without threads, have none of this. */
extern int blas_thread_shutdown_(void) __attribute__((weak));

void
admin_blas_alone(void)
{
	if (blas_thread_shutdown_)
		blas_thread_shutdown_();
}
