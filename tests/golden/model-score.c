/*
 * model-score: for tests beside PyTorch.
 *     model-score train OUT     a neural network over made-up rows of 24 columns, some missing, to OUT
 *     model-score score MODEL   rows of numbers from standard input ("nan": missing), a row a line; prints
 * the margin and the score of each, all rows in one call
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/mlp.h"
#include "learn/random.h"

#define ROWS 4000
#define COLS 24

static void
die(const char *where, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", where, e->text);
	exit(1);
}

static int
train_to(const char *path)
{
	static double x[ROWS * COLS], y[ROWS];
	const char *columns[COLS];
	char names[COLS][16];
	uint64_t seed = 7;
	struct learn_mlp o = learn_mlp_defaults();
	struct err e = { 0 };
	struct buf b = { 0 };
	for (int k = 0; k < COLS; k++) {
		snprintf(names[k], sizeof(names[k]), "c%d", k);
		columns[k] = names[k];
	}
	for (size_t i = 0; i < ROWS; i++) {
		for (size_t k = 0; k < COLS; k++)
			x[i * COLS + k] = random_unit(&seed) * 4 - 2;
		y[i] = x[i * COLS] * x[i * COLS + 1] > 0;
		if (i % 9 == 0)
			x[i * COLS + 5] = NAN;
	}
	o.standardize = true;
	o.dropout = .1;
	const struct learn_data d = { .rows = ROWS, .cols = COLS, .x = x, .y = y };
	const struct learn_names n = { "click", columns };
	struct model *m = learn_mlp(&d, &n, &o, NULL, &e);
	if (!m)
		die("training", &e);
	model_print(m, &b);
	FILE *f = fopen(path, "w");
	if (!f || fwrite(b.p, 1, b.n, f) != b.n || fclose(f) != 0) {
		perror(path);
		return 1;
	}
	buf_free(&b);
	model_free(&m);
	return 0;
}

static int
score_by(const char *path)
{
	struct err e = { 0 };
	struct model *m = model_load(path, &e);
	if (!m)
		die("loading", &e);
	size_t n = 0, most = 100000, cols = m->ncolumns;
	double *rows = malloc(most * cols * sizeof(*rows)), *z = malloc(most * sizeof(*z));
	double *p = malloc(most * sizeof(*p));
	while (n < most * cols && scanf("%lf", &rows[n]) == 1)
		n++;
	n /= cols;
	void *scratch = malloc(model_scratch(m, n));
	model_margins(m, rows, n, scratch, z);
	model_apply(m, rows, n, scratch, p, 1);
	for (size_t i = 0; i < n; i++)
		printf("%.9g %.9g\n", z[i], p[i]);
	free(scratch);
	free(rows);
	free(z);
	free(p);
	model_free(&m);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "train") == 0)
		return train_to(argv[2]);
	if (argc == 3 && strcmp(argv[1], "score") == 0)
		return score_by(argv[2]);
	fputs("usage: model-score train OUT | score MODEL\n", stderr);
	return 64;
}
