/*
 * recommend/model: what customers like who like that: a trained model of items, as it lies in its file, and
 * the scores that it gives for somebody's history. Training is in learn/reco.h; both score with what is here.
 *
 * The file is a safetensors file (score/safetensors.h, with checksum), mapped and used where it lies:
 *
 *     metadata     mailtailor "1", kind "popular", "ease", "knn" or "als", training (JSON, for people);
 *                  als: alpha, regularization
 *     id.end       I32 [n]     end of each item's id in id.text; ids rise, byte by byte, so they are unique
 *     id.text      U8  [bytes]
 *     popularity   F32 [n]     customers that took it
 *     row.end      I32 [n]     ease, knn: end of each item's entries in what follows
 *     row.item     I32 [m]     … the items that it speaks for (or against)
 *     row.weight   F32 [m]     … and how much
 *     factor       F32 [n, f]  als
 *     gram         F32 [f, f]  als: factorᵀ·factor
 *
 * Score of item j for a history H:
 *     ease, knn    Σ over i in H of weight(i, j)
 *     als          yⱼ · x, x = (YᵀY + α·Σ cᵢ·yᵢyᵢᵀ + λI)⁻¹ Σ (1 + α·cᵢ)·yᵢ   (Hu, Koren, Volinsky 2008,
 *                  equation 4), cᵢ: how often he took it
 *     popular      popularity
 * Without a history all kinds give the popularity.
 *
 * What is mapped is a sealed copy in memory (mapped_open): whatever happens to the file, a model in use
 * stays.
 *
 * Threads: a model is immutable; any number may score, each with scratch of its own.
 */
#ifndef MT_RECOMMEND_MODEL_H
#define MT_RECOMMEND_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "score/safetensors.h"

#define RECOMMEND_VERSION "1"
#define RECOMMEND_MAX_ITEMS 1000000
#define RECOMMEND_MAX_ID 128 /* bytes of an item's id */
#define RECOMMEND_MAX_FACTORS 256
#define RECOMMEND_MAX_HISTORY 256 /* different items of one recipient that count */

enum recommend_kind { RECOMMEND_POPULAR, RECOMMEND_EASE, RECOMMEND_KNN, RECOMMEND_ALS, RECOMMEND_KINDS };

/* "popular", "ease", "knn", "als"; NULL beyond. */
const char *recommend_kind_name(enum recommend_kind k);
int recommend_kind_find(struct str name); /* or -1 */

struct recommend_model {
	enum recommend_kind kind;
	size_t items;
	const int32_t *id_end;
	const char *id_text;
	const float *popularity;
	const int32_t *row_end, *row_item; /* ease, knn */
	const float *row_weight;
	size_t factors; /* als */
	const float *factor, *gram;
	double alpha, regularization;
	struct str training; /* JSON, may be empty */
};

/* One item of a history. */
struct recommend_taken {
	uint32_t item; /* number in the model */
	float count;   /* how often, > 0 */
};

struct str recommend_id(const struct recommend_model *m, size_t item);
/* The item's number, or -1. */
long recommend_find(const struct recommend_model *m, struct str id);

/* Bytes of scratch that recommend_score needs. */
size_t recommend_scratch(const struct recommend_model *m);
/* scores[0..items), all finite. scratch is aligned as malloc's. */
void recommend_score(const struct recommend_model *m, const struct recommend_taken *history, size_t n,
		     void *scratch, float *scores);
/*
 * als: the factors of somebody with that history, x[0..factors), by Cholesky; work: factors² doubles. gram
 * is in doubles here.
 */
void recommend_fold(const struct recommend_model *m, const struct recommend_taken *history, size_t n,
		    double *work, double *x);

/* ---- files ---- */

/*
 * Checks all that scoring relies on: sizes, order, indexes, finite numbers. The model points into bytes,
 * which must be aligned to 64 and outlive it; what the file has in an unaligned place is refused. a: for the
 * header. ERR_INPUT, ERR_LIMIT, ERR_CORRUPT.
 */
int recommend_parse(struct arena *a, struct str bytes, struct recommend_model *out, struct err *e);
/* The bytes of its file. */
void recommend_print(const struct recommend_model *m, struct buf *out);

/* A whole file as it was when it was opened, mapped read-only. */
struct mapped {
	void *p;
	size_t n;
};
/* A regular file of 1 byte to SAFETENSORS_MAX_FILE. 0, or -1: ERR_MISSING, ERR_PERM, ERR_IO, ERR_INPUT. */
int mapped_open(const char *path, struct mapped *out, struct err *e);
/* Takes a zeroed one; leaves it zeroed. */
void mapped_close(struct mapped *m);

#endif
