/*
 * mlp: applying neural networks of fully connected layers with ReLU between them (multi-layer perceptrons).
 * Margin = the one output of the last layer, which has no ReLU. Computed in float32.
 *
 * Tensors, as PyTorch's state_dict of an nn.Sequential names them, so that files go to and fro: "N.weight"
 * [outputs, inputs] and "N.bias" [outputs] for each layer, in the order of N, which need not be without gaps
 * (ReLU and Dropout count there); or with one text for all before N: "layers.N.weight". The first layer has
 * as many inputs as the model has columns, the last has one output. Optional "missing" [columns]: what a
 * missing cell counts as (absent: zeros). Ours are "0.weight", "0.bias", "2.weight", …, and "missing" only
 * where it is not all zeros.
 */
#ifndef MT_SCORE_MLP_H
#define MT_SCORE_MLP_H

#include "score/mlp-kernel.h"
#include "score/model.h"

#define MLP_MAX_LAYERS 16
#define MLP_MAX_WIDTH 4096

/*
 * One layer, packed for the kernels: weights[k · padded(outputs) + o] is what input k counts in output o;
 * the last layer has weights[k], k < padded(inputs). Padding is 0.
 */
struct mlp_layer {
	size_t inputs, outputs;
	float *weights, *bias;
};

struct mlp_state {
	const struct mlp_kernel *kernel;
	size_t nlayers;
	struct mlp_layer layers[MLP_MAX_LAYERS];
	size_t widest;	/* padded outputs of the widest hidden layer; 0: there is none */
	float *missing; /* ncolumns, at most MLP_MAX in size */
};

/*
 * State for m (kind model_mlp) with hidden layers of these widths (1 … MLP_MAX_WIDTH, fewer than
 * MLP_MAX_LAYERS), zeroed, for a trainer to fill.
 */
struct mlp_state *mlp_state_new(struct model *m, const size_t *hidden, size_t nhidden);

/* n zeros, aligned for the kernels. */
float *mlp_floats(struct arena *a, size_t n);

/* The weight of input k in output o, of layer l. */
float *mlp_weight(const struct mlp_state *s, size_t l, size_t k, size_t o);

#endif
