/*
 * mlp-net: a neural network while it is trained: weights as the kernels want them, Adam's moments, and what
 * stands between the layers for one batch. mlp.c decides what batches there are and when to stop.
 */
#ifndef MT_LEARN_MLP_NET_H
#define MT_LEARN_MLP_NET_H

#include "learn/mlp.h"
#include "learn/mlp-kernel.h"
#include "score/mlp.h"

/* As in mlp_layer: w[k][padded(outputs)], the last layer one vector over its inputs. */
struct net_layer {
	size_t in, out;	   /* as they are */
	size_t rows, cols; /* of w, with padding; the last layer has one row */
	struct mlp_weights w, b;
	float *wt;   /* cols × rows; of the second layer on */
	float *mask; /* 1 or 0 for each of w once pruned; or NULL */
	float *h;    /* batch × cols: what comes out behind ReLU and dropout; hidden layers */
	bool blas;   /* too large for our kernels: OpenBLAS multiplies */
};

struct mlp_net {
	struct arena *a;
	struct mlp_learn_kernel kernel;
	size_t nlayers, batch;
	struct net_layer layers[MLP_MAX_LAYERS];
	float *dh[2]; /* batch × the widest: the loss by h of a layer, and of the one below */
	float *g;     /* a gradient of BLAS's */
	float *z, *dz;
	float *best; /* a copy of all weights: see net_keep */
	double rate;
	struct mlp_adam adam;
	double power1, power2; /* beta^t */
	float dropout;
	uint32_t counter; /* of dropout's numbers */
};

/*
 * A network cols → o->hidden … → 1 with weights drawn from *seed as nn.Linear of PyTorch draws them: both
 * weights and bias from -1/√in … 1/√in. In a.
 */
struct mlp_net *net_new(struct arena *a, size_t cols, const struct learn_mlp *o,
			const struct mlp_learn_kernel *kernel, uint64_t *seed);

/*
 * net->z[0..rows) of x (rows × stride), rows ≤ batch; with dropout when training. stride is the padded number
 * of columns, padding is 0.
 */
void net_forward(struct mlp_net *net, const float *x, size_t stride, size_t rows, bool training);
/* One step of Adam from net->dz, the loss by z, after net_forward of the same x. */
void net_step(struct mlp_net *net, const float *x, size_t stride, size_t rows);

/* Remembers the weights as they are, and goes back to them. */
void net_keep(struct mlp_net *net);
void net_restore(struct mlp_net *net);

/* Sets the smallest weights of each layer but the last to 0, a share of them, and holds them there. Adam
 * starts anew. */
void net_prune(struct mlp_net *net, double share);

#endif
