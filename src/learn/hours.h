/*
 * hours: at what hour of his own day a recipient answers mail. His clicks and purchases, by hour, are few; so
 * they count together with what those of his segment do, and these with what all do: Dirichlet smoothing in a
 * hierarchy (as Teh, A Bayesian Interpretation of Interpolated Kneser-Ney, 2006, without its discounts):
 *
 *   all     = (n_all + a · 1/24) / (N_all + a)
 *   segment = (n_segment + a · all) / (N_segment + a)
 *   his own = (n + a · segment) / (N + a)
 *
 * An event counts half in its hour and a quarter in each of the hours beside it: 8:59 and 9:01 are alike.
 *
 * What is counted is when people answered, which hangs on when mail was sent to them: an hour in which
 * nothing was ever sent gathers few answers. Arms with send hours (mailtailor.conf(5)) find out about those.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_HOURS_H
#define MT_LEARN_HOURS_H

#define HOURS 24

/* One event, in hour 0 … 23; by -1 takes one back (no cell falls below 0). */
void hours_add(double n[HOURS], int hour, double by);
/* out = (n + weight · parent) / (N + weight), a distribution; parent NULL: uniform. weight > 0. n may be out.
 */
void hours_blend(const double n[HOURS], double weight, const double *parent, double out[HOURS]);
/* The likeliest hour, of equals the first. *gain: how much likelier than an hour on average, 0 … 23. */
int hours_best(const double p[HOURS], double *gain);

#endif
