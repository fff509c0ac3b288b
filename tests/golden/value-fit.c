/* Fits the BG/NBD model to "repeats recency age" lines of standard input; prints what came out as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "learn/bgnbd.h"

int
main(void)
{
	struct bgnbd_customer *c = NULL, one = { .count = 1 };
	size_t n = 0, cap = 0;
	struct bgnbd m;
	struct err e = { 0 };
	while (scanf("%lf %lf %lf", &one.repeats, &one.recency, &one.age) == 3) {
		if (n == cap) {
			cap = cap ? cap * 2 : 1024;
			c = reallocarray(c, cap, sizeof(*c));
			if (!c)
				abort();
		}
		c[n++] = one;
	}
	if (bgnbd_fit(c, n, &m, &e) != 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	const struct bgnbd_customer paper = { 2, 30.43, 38.86, 1 };
	printf("{\"customers\":%zu,\"loglik\":%.4f,\"r\":%.4f,\"alpha\":%.4f,\"a\":%.4f,\"b\":%.4f,"
	       "\"expected_39\":%.4f,\"alive\":%.4f,\"evaluations\":%zu,\"converged\":%s}\n",
	       n, m.loglik, m.r, m.alpha, m.a, m.b, bgnbd_expected(&m, &paper, 39), bgnbd_alive(&m, &paper),
	       m.evaluations, m.converged ? "true" : "false");
	free(c);
	return 0;
}
