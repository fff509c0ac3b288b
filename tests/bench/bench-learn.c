/*
 * bench-learn: how fast learning and its models are, by named rows, one thread. tests/bench/learn puts its
 * figures beside those of tests/bench/learn-peer.py, which has rows of the same names.
 *
 *     bench-learn [--table TABLE.csv --spec SPEC.json] [--write FILE]
 *
 * Reads names of rows from standard input, a line each, measures it and prints a JSON object; "rows" prints
 * all names. NAME/VARIANT is ours in another way (plain BLAS, fewer instructions), not judged. The data are
 * the training rows of a table, else made up in the same shape; --write leaves them for the peer: int64
 * rows, int64 columns, the matrix and the labels as doubles.
 *
 * A new row: a function and a line of the table below.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "learn/csv.h"
#include "learn/gbdt.h"
#include "learn/mlp.h"
#include "learn/random.h"
#include "score/bandit.h"
#include "score/mlp.h"

struct bench {
	struct arena *a;
	struct learn_data d;
	struct learn_names names;
	struct model *mlp;  /* 64-64 */
	struct model *gbdt; /* 150 trees of 8 leaves */
};

static void
die(const char *where, const struct err *e)
{
	fprintf(stderr, "bench-learn: %s: %s\n", where, e->text);
	exit(1);
}

static double
now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- neural networks ---- */

/* Rows a second: the whole of the training, its copy of the data and its model with it. */
static double
mlp_train(struct bench *b, size_t batch, bool blas, const char *kernel)
{
	struct learn_mlp o = learn_mlp_defaults();
	struct err e = { 0 };
	o.batch = batch;
	o.blas = blas;
	o.epochs = 5;
	while (kernel && mlp_kernel_at(o.kernel) && strcmp(mlp_kernel_at(o.kernel)->name, kernel) != 0)
		o.kernel++;
	if (!mlp_kernel_at(o.kernel))
		return NAN;
	double start = now();
	struct model *m = learn_mlp(&b->d, &b->names, &o, NULL, &e);
	if (!m)
		die("training", &e);
	double took = now() - start;
	model_free(&m);
	return (double)(b->d.rows * o.epochs) / took;
}

/* Microseconds a call of so many rows: features as doubles in, probabilities out. Median of blocks. */
static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double
median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static double
mlp_infer(struct bench *b, size_t rows, const char *kernel)
{
	enum { BLOCKS = 101 };
	struct mlp_state *s = b->mlp->state;
	size_t calls = 20000 / (rows + 19), i = 0;
	double took[BLOCKS], *scores = malloc(rows * sizeof(double));
	void *scratch = malloc(model_scratch(b->mlp, rows));
	while (kernel && mlp_kernel_at(i) && strcmp(mlp_kernel_at(i)->name, kernel) != 0)
		i++;
	s->kernel = mlp_kernel_at(i);
	for (int block = 0; block < BLOCKS && s->kernel; block++) {
		double start = now();
		for (size_t k = 0; k < calls; k++)
			model_apply(b->mlp, b->d.x + (k % 64) * rows * b->d.cols, rows, scratch, scores, 1);
		took[block] = (now() - start) * 1e6 / (double)calls;
	}
	bool known = s->kernel != NULL;
	s->kernel = mlp_kernel_best();
	free(scratch);
	free(scores);
	return known ? median(took, BLOCKS) : NAN;
}

#define TRAIN(name, batch, blas, kernel)                  \
	static double name(struct bench *b)               \
	{                                                 \
		return mlp_train(b, batch, blas, kernel); \
	}
#define INFER(name, rows, kernel)                  \
	static double name(struct bench *b)        \
	{                                          \
		return mlp_infer(b, rows, kernel); \
	}
TRAIN(train_64, 64, false, NULL)
TRAIN(train_64_sgemm, 64, true, NULL)
TRAIN(train_64_avx2, 64, false, "avx2")
TRAIN(train_64_any, 64, false, "any")
TRAIN(train_256, 256, false, NULL)
TRAIN(train_256_sgemm, 256, true, NULL)
TRAIN(train_256_avx2, 256, false, "avx2")
INFER(infer_1, 1, NULL)
INFER(infer_1_avx2, 1, "avx2")
INFER(infer_1_any, 1, "any")
INFER(infer_256, 256, NULL)
INFER(infer_256_avx2, 256, "avx2")

/* ---- boosted trees ---- */

/* By the protocol: 150 trees of 8 leaves. Rows a second times trees, binning and all. */
static double
gbdt_train(struct bench *b)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	struct err e = { 0 };
	double start = now();
	struct model *m = learn_gbdt(&b->d, &b->names, &o, NULL, NULL, &e);
	if (!m)
		die("training", &e);
	double took = now() - start;
	model_free(&b->gbdt);
	b->gbdt = m;
	return (double)(b->d.rows * o.trees) / took;
}

static double
gbdt_infer(struct bench *b, size_t rows)
{
	enum { BLOCKS = 101 };
	size_t calls = 5000 / (rows + 19);
	double took[BLOCKS], *scores = malloc(rows * sizeof(double));
	if (!b->gbdt)
		gbdt_train(b);
	void *scratch = malloc(model_scratch(b->gbdt, rows));
	for (int block = 0; block < BLOCKS; block++) {
		double start = now();
		for (size_t k = 0; k < calls; k++)
			model_apply(b->gbdt, b->d.x + (k % 64) * rows * b->d.cols, rows, scratch, scores, 1);
		took[block] = (now() - start) * 1e6 / (double)calls;
	}
	free(scratch);
	free(scores);
	return median(took, BLOCKS);
}

static double
gbdt_infer_1(struct bench *b)
{
	return gbdt_infer(b, 1);
}

static double
gbdt_infer_256(struct bench *b)
{
	return gbdt_infer(b, 256);
}

/* ---- logistic regression ---- */

/* Rows a second to convergence, with the protocol's penalty. */
static double
logistic_fit(struct bench *b)
{
	enum { TIMES = 5 };
	double took[TIMES], *coefficients = calloc(b->d.cols + 1, sizeof(double));
	struct learn_fit fit;
	struct err e = { 0 };
	for (size_t i = 0; i < TIMES; i++) {
		double start = now();
		if (learn_logistic_fit(&b->d, 1, coefficients, NULL, NULL, &fit, &e) != 0)
			die("training", &e);
		took[i] = now() - start;
	}
	free(coefficients);
	return (double)b->d.rows / median(took, TIMES);
}

/* ---- bandits ---- */

/* One decision among 3 arms and learning from it, by rows of 12 numbers. */
static double
linucb(struct bench *b)
{
	enum { BLOCKS = 101, STEPS = 2000, DIM = 12, ARMS = 3 };
	const struct bandit_shape shape = {
		.kind = BANDIT_LINUCB, .narms = ARMS, .dim = DIM, .lambda = 1, .alpha = 0.5
	};
	struct err e = { 0 };
	struct bandit *p = bandit_new(&shape, &e);
	double took[BLOCKS];
	if (!p)
		die("linucb", &e);
	for (size_t block = 0; block < BLOCKS; block++) {
		double start = now();
		for (size_t i = 0; i < STEPS; i++) {
			size_t row = (block * STEPS + i) % b->d.rows;
			const double *x = b->d.x + row * b->d.cols;
			bandit_update(p, bandit_decide(p, x, 0).arm, x, b->d.y[row]);
		}
		took[block] = (now() - start) * 1e6 / STEPS;
	}
	bandit_free(&p);
	return median(took, BLOCKS);
}

static const struct row {
	const char *name, *unit;
	double (*run)(struct bench *b);
} ROWS[] = {
	{ "mlp-train-64", "rows/s", train_64 },
	{ "mlp-train-64/sgemm", "rows/s", train_64_sgemm },
	{ "mlp-train-64/avx2", "rows/s", train_64_avx2 },
	{ "mlp-train-64/any", "rows/s", train_64_any },
	{ "mlp-train-256", "rows/s", train_256 },
	{ "mlp-train-256/sgemm", "rows/s", train_256_sgemm },
	{ "mlp-train-256/avx2", "rows/s", train_256_avx2 },
	{ "mlp-infer-1", "us", infer_1 },
	{ "mlp-infer-1/avx2", "us", infer_1_avx2 },
	{ "mlp-infer-1/any", "us", infer_1_any },
	{ "mlp-infer-256", "us", infer_256 },
	{ "mlp-infer-256/avx2", "us", infer_256_avx2 },
	{ "gbdt-train", "rows/s", gbdt_train },
	{ "gbdt-infer-1", "us", gbdt_infer_1 },
	{ "gbdt-infer-256", "us", gbdt_infer_256 },
	{ "logistic-fit", "rows/s", logistic_fit },
	{ "linucb", "us", linucb },
};
#define NROWS (sizeof(ROWS) / sizeof(ROWS[0]))

/* ---- data ---- */

static ssize_t
fd_read(void *ctx, char *p, size_t n)
{
	return read(*(int *)ctx, p, n);
}

static void
data_read(struct bench *b, const char *table, const char *spec_file)
{
	struct err e = { 0 };
	struct spec spec;
	struct buf text = { 0 };
	FILE *f = fopen(spec_file, "r");
	int fd = open(table, O_RDONLY);
	struct csv_source source = { .read = fd_read, .ctx = &fd };
	if (!f || fd < 0) {
		perror(f ? table : spec_file);
		exit(1);
	}
	for (int c; (c = getc(f)) != EOF;)
		buf_addc(&text, (char)c);
	fclose(f);
	if (spec_parse(b->a, buf_str(&text), &spec, &e) != 0)
		die(spec_file, &e);
	struct learn_set *set = csv_read(&source, &spec, &e); /* never freed: names stay */
	if (!set)
		die(table, &e);
	close(fd);
	buf_free(&text);
	b->d = learn_set_part(set, LEARN_TRAIN);
	b->names = (struct learn_names){ spec.score, set->columns };
}

static void
data_make(struct bench *b)
{
	enum { MADE_ROWS = 54675, MADE_COLS = 24 };
	uint64_t seed = 1;
	double *x = ARENA_ARRAY(b->a, double, (size_t)MADE_ROWS *MADE_COLS);
	double *y = ARENA_ARRAY(b->a, double, MADE_ROWS);
	const char **columns = ARENA_ARRAY(b->a, const char *, MADE_COLS);
	for (size_t k = 0; k < MADE_COLS; k++)
		columns[k] = arena_printf(b->a, "c%zu", k).p;
	for (size_t i = 0; i < MADE_ROWS; i++) {
		double z = -1.5;
		for (size_t k = 0; k < MADE_COLS; k++) {
			double v = random_unit(&seed);
			x[i * MADE_COLS + k] = k % 3 ? v < .3 : v;
			z += x[i * MADE_COLS + k] * (k % 2 ? .5 : -.3);
		}
		y[i] = random_unit(&seed) < 1 / (1 + exp(-z));
	}
	b->d = (struct learn_data){ .rows = MADE_ROWS, .cols = MADE_COLS, .x = x, .y = y };
	b->names = (struct learn_names){ "open", columns };
}

static void
data_write(const struct bench *b, const char *path)
{
	FILE *f = fopen(path, "w");
	int64_t shape[2] = { (int64_t)b->d.rows, (int64_t)b->d.cols };
	if (!f || fwrite(shape, sizeof(shape), 1, f) != 1 ||
	    fwrite(b->d.x, sizeof(double), b->d.rows * b->d.cols, f) != b->d.rows * b->d.cols ||
	    fwrite(b->d.y, sizeof(double), b->d.rows, f) != b->d.rows || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void
answer(struct bench *b, const char *name)
{
	for (size_t i = 0; i < NROWS; i++) {
		if (strcmp(name, "rows") == 0)
			printf("%s\"%s\"%s", i ? ", " : "[", ROWS[i].name, i + 1 == NROWS ? "]\n" : "");
		if (strcmp(name, ROWS[i].name) != 0)
			continue;
		double v = ROWS[i].run(b);
		if (isnan(v))
			printf("{\"row\": \"%s\", \"value\": null}\n", name);
		else
			printf("{\"row\": \"%s\", \"value\": %.9g, \"unit\": \"%s\"}\n", name, v,
			       ROWS[i].unit);
	}
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct bench b = { .a = arena_new(65536) };
	const char *table = NULL, *spec = NULL, *out = NULL;
	char line[128];
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--table") == 0)
			table = argv[i + 1];
		else if (strcmp(argv[i], "--spec") == 0)
			spec = argv[i + 1];
		else if (strcmp(argv[i], "--write") == 0)
			out = argv[i + 1];
	}
	if (table && spec)
		data_read(&b, table, spec);
	else
		data_make(&b);
	if (out)
		data_write(&b, out);
	struct learn_mlp o = learn_mlp_defaults();
	struct err e = { 0 };
	o.epochs = 1;
	b.mlp = learn_mlp(&b.d, &b.names, &o, NULL, &e);
	if (!b.mlp)
		die("training", &e);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		answer(&b, line);
	}
	model_free(&b.mlp);
	model_free(&b.gbdt);
	arena_free(&b.a);
	return 0;
}
