/*
 * model: a trained model as scorers apply it: logistic regression, a neural network, boosted trees. It comes
 * from a safetensors file (safetensors.h) whose metadata say what it is:
 *
 *     mailtailor   "1", the version of this layout
 *     kind         "logistic", "mlp", "gbdt", "uplift"
 *     score        the name under which rules read what it gives
 *     columns      JSON list of column texts (column.h), in the order of the matrix
 *     link         "logit" (a probability comes out; the default) or "identity" (a value: spend, uplift)
 *     training     JSON object: what it was trained on and how well it did; for people and for `model show`
 *     checksum     see safetensors.h
 *
 * (others are refused, but for PyTorch's "format") and whose tensors are the kind's own. Optional tensors
 * "calibration.platt" [2] and "calibration.x", "calibration.y" [n] bend what the kind gives (see struct
 * model_calibration).
 *
 * A row's score comes of that row alone, to the last bit, whoever else is in the batch.
 *
 * Threads: a model is immutable; any number of threads may apply it, each with scratch of its own.
 */
#ifndef MT_SCORE_MODEL_H
#define MT_SCORE_MODEL_H

#include "score/safetensors.h"

#define MODEL_VERSION "1"
#define MODEL_MAX_COLUMNS 4096
#define MODEL_MAX_NAME 64
#define MODEL_MAX_COLUMN 1024 /* bytes of a column text */
#define MODEL_MAX_POINTS 65536
/* Inputs are cut to this, so that sums of products with weights of the same size stay finite. */
#define MODEL_MAX_INPUT 1e30

enum model_link { MODEL_LOGIT, MODEL_IDENTITY };

/*
 * What becomes of the margin z that a kind gives. Platt's: z → a·z + b, then the link. Isotonic: z → y by
 * straight lines between the points (x ascending, y not descending and in 0..1), constant beyond them,
 * instead of the link; MODEL_LOGIT only. At most one of the two.
 */
struct model_calibration {
	bool platt;
	double a, b;
	size_t npoints; /* 0: not isotonic */
	double *x, *y;
};

struct model;

/*
 * A kind of model. Adding one: a file that defines its struct, and a line of the table in model.c.
 */
struct model_kind {
	const char *name;
	/*
	 * Reads m->state out of the tensors, with memory of m->arena. m->ncolumns is known. All that apply
	 * relies on is checked here. ERR_INPUT, ERR_LIMIT.
	 */
	int (*parse)(struct model *m, const struct safetensors *st, struct err *e);
	/* Bytes of scratch that apply needs for nrows; NULL: none. */
	size_t (*scratch)(const struct model *m, size_t nrows);
	/*
	 * Margins z[0..nrows) of rows (nrows × m->ncolumns, row-major; NAN is missing, never infinite).
	 * scratch is aligned to 64 bytes. Finite for any rows, and each of its own row alone.
	 */
	void (*apply)(const struct model *m, const double *rows, size_t nrows, void *scratch, double *z);
	/* The tensors that parse reads, in a or borrowed of m; widest elements first. Returns how many. */
	size_t (*tensors)(const struct model *m, struct arena *a, struct safetensor **out);
	/* How much each column counts, out[0..m->ncolumns), for people; NULL: the kind cannot tell. */
	void (*importance)(const struct model *m, double *out);
	/* What m->state (NULL: it was never read) holds outside of m->arena; NULL: nothing. */
	void (*free)(struct model *m);
};

struct model {
	const struct model_kind *kind;
	struct arena *arena; /* holds all that follows */
	const char *score;
	const char *const *columns;
	size_t ncolumns;
	enum model_link link;
	struct model_calibration calibration;
	const struct value *training; /* a map, may be empty */
	void *state;		      /* the kind's own, in arena */
	bool checked;		      /* came from a file with a checksum that agrees */
};

/* ---- files ---- */

/*
 * NULL with e: ERR_MISSING, ERR_PERM, ERR_IO, ERR_INPUT (foreign or truncated), ERR_CORRUPT (damaged),
 * ERR_LIMIT. The text starts with the path.
 */
struct model *model_load(const char *path, struct err *e);
/* The same of bytes, which are copied. */
struct model *model_parse(struct str bytes, struct err *e);
/* The bytes of its file. Load and print give the same bytes again. */
void model_print(const struct model *m, struct buf *out);
/* Takes NULL; leaves NULL. */
void model_free(struct model **m);

/* ---- scores ---- */

/* Bytes of scratch for up to nrows at a time; never 0. */
size_t model_scratch(const struct model *m, size_t nrows);
/*
 * scores[i * stride] for each row i of rows (nrows × ncolumns). scratch: from malloc or an arena, of
 * model_scratch bytes for at least nrows. Scores are finite; with MODEL_LOGIT within 0..1.
 */
void model_apply(const struct model *m, const double *rows, size_t nrows, void *scratch, double *scores,
		 size_t stride);
/* For evaluation and calibration: the margins, before calibration and link. */
void model_margins(const struct model *m, const double *rows, size_t nrows, void *scratch, double *z);
/* And the rest of the way, in place. */
void model_link_apply(const struct model *m, double *z, size_t n);

/* ---- making one ---- */

/*
 * A model without state: kind by name (ERR_INPUT when there is none), texts copied and checked. The trainer
 * sets state (memory of m->arena) and training.
 */
struct model *model_new(const char *kind, const char *score, const char *const *columns, size_t ncolumns,
			enum model_link link, struct err *e);
/* Names of the kinds, NULL behind the last. */
const char *model_kind_name(size_t i);

extern const struct model_kind model_logistic, model_mlp, model_gbdt, model_uplift;

#endif
