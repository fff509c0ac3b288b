/*
 * mlp: training of neural networks with ReLU layers (multi-layer perceptrons), in float32, by Adam on
 * mini-batches. The loss is the log-loss of labels 0 and 1 with the link MODEL_LOGIT, else half the squared
 * error. The same data, options, seed and kind of processor give the same model to the last bit; another
 * instruction set gives other last bits.
 */
#ifndef MT_LEARN_MLP_H
#define MT_LEARN_MLP_H

#include "learn/learn.h"

#define LEARN_MLP_MAX_HIDDEN 15 /* MLP_MAX_LAYERS of score/mlp.h, without the last */

struct learn_mlp {
	size_t nhidden;
	size_t hidden[LEARN_MLP_MAX_HIDDEN]; /* widths */
	enum model_link link;
	double rate;	/* Adam's alpha; its betas are .9 and .999, its epsilon 1e-8 */
	double l2;	/* l2 · w is added to the gradient of the mean loss; not for the biases */
	double dropout; /* share of the hidden outputs that count as 0 in a step, 0 … below 1 */
	size_t batch;	/* rows */
	size_t epochs;	/* at most, when there is a validation split */
	double
	    validation; /* share of the rows that are not trained on but measured after each epoch; 0: none */
	const struct learn_data *valid; /* rows to measure on instead; or NULL, or without rows */
	size_t patience;     /* so many epochs without a better validation loss end it; 0: none do. The best
			      * epoch's weights are what is kept */
	double prune;	     /* share of the weights of each layer but the last that become 0, the smallest */
	size_t prune_epochs; /* of training after that, with those held at 0 */
	bool standardize; /* trains on columns with mean 0 and standard deviation 1; the model has that in its
			   * first layer and takes columns as they are */
	uint64_t seed;

	/* For tests and benchmarks. */
	size_t kernel; /* which of those that the processor can run; 0: the best */
	bool blas;     /* multiply by OpenBLAS however small the layers are */
};

/* 64-64, log-loss, rate 1e-3, batches of 64, 10 epochs, nothing else. */
struct learn_mlp learn_mlp_defaults(void);

/*
 * A missing cell counts as the mean of its column's others. Steps of progress are epochs; their losses are
 * means over the epoch as it went (with dropout), and over the validation split after it. NULL with e:
 * ERR_INPUT (data, options), ERR_LIMIT (the loss is no number: rate too large).
 */
struct model *learn_mlp(const struct learn_data *d, const struct learn_names *names,
			const struct learn_mlp *o, const struct learn_progress *p, struct err *e);

#endif
