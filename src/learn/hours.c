/* hours: see hours.h. */
#include "learn/hours.h"

#include <math.h>
#include <stddef.h>

void
hours_add(double n[HOURS], int hour, double by)
{
	static const double share[3] = { 0.25, 0.5, 0.25 };
	for (int k = 0; k < 3; k++) {
		double *cell = &n[(hour + HOURS - 1 + k) % HOURS];
		*cell = fmax(*cell + by * share[k], 0);
	}
}

void
hours_blend(const double n[HOURS], double weight, const double *parent, double out[HOURS])
{
	double sum = weight;
	for (int h = 0; h < HOURS; h++)
		sum += n[h];
	for (int h = 0; h < HOURS; h++)
		out[h] = (n[h] + weight * (parent ? parent[h] : 1.0 / HOURS)) / sum;
}

int
hours_best(const double p[HOURS], double *gain)
{
	int best = 0;
	for (int h = 1; h < HOURS; h++)
		if (p[h] > p[best])
			best = h;
	*gain = p[best] * HOURS - 1;
	return best;
}
