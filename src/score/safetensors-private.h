/* safetensors: what its reader and its writer share. */
#ifndef MT_SCORE_SAFETENSORS_PRIVATE_H
#define MT_SCORE_SAFETENSORS_PRIVATE_H

#include "score/safetensors.h"

/*
 * sum is the checksum as metadata has it; header: bytes up to the data. ERR_CORRUPT when it does not agree,
 * ERR_INPUT when it is none.
 */
int checksum_verify(struct str bytes, size_t header, struct str sum, struct err *e);

#endif
