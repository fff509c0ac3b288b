#!/usr/bin/python3
"""What PyTorch and scikit-learn take for the rows of bench-learn.c, one thread: learn-peer.py DATA

DATA is what bench-learn --write left. Reads names of rows from standard input, a line each, and prints a JSON object for each;
"rows" prints all names, ROW/PROGRAM-VARIANT: of a program's variants the best one counts.

A new row: a function with @row.
"""
import json
import statistics
import sys
import time
import warnings

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.manual_seed(1)

raw = np.fromfile(sys.argv[1], dtype=np.int64, count=2)
N, D = int(raw[0]), int(raw[1])
X = np.fromfile(sys.argv[1], dtype=np.float64, offset=16, count=N * D).reshape(N, D)
Y = np.fromfile(sys.argv[1], dtype=np.float64, offset=16 + 8 * N * D)
ROWS = {}


def row(name, unit):
    def add(f):
        ROWS[name] = (f, unit)
        return f

    return add


def net():
    return nn.Sequential(nn.Linear(D, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))


# ---- neural networks: training ----


def batches_index(x, y, batch):
    order = torch.randperm(N)
    for at in range(0, N, batch):
        i = order[at : at + batch]
        yield x[i], y[i]


def batches_slice(x, y, batch):
    order = torch.randperm(N)
    x, y = x[order], y[order]
    for at in range(0, N, batch):
        yield x[at : at + batch], y[at : at + batch]


def torch_train(batch, batches, script=False, epochs=2, **options):
    model = net()
    model = torch.jit.script(model) if script else model
    adam, loss = torch.optim.Adam(model.parameters(), 1e-3, **options), nn.BCEWithLogitsLoss()
    x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)

    def epoch(most):
        done = 0
        for bx, by in batches(x, y, batch):
            adam.zero_grad(set_to_none=True)
            loss(model(bx)[:, 0], by).backward()
            adam.step()
            done += 1
            if done == most:
                break

    epoch(100)  # warm
    start = time.process_time()
    for _ in range(epochs):
        epoch(0)
    return N * epochs / (time.process_time() - start)


for size in (64, 256):
    row(f"mlp-train-{size}/torch-index", "rows/s")(lambda b=size: torch_train(b, batches_index))
    row(f"mlp-train-{size}/torch-slice", "rows/s")(lambda b=size: torch_train(b, batches_slice))
    row(f"mlp-train-{size}/torch-slice-foreach", "rows/s")(lambda b=size: torch_train(b, batches_slice, foreach=True))
    row(f"mlp-train-{size}/torch-slice-script", "rows/s")(lambda b=size: torch_train(b, batches_slice, script=True))

    @row(f"mlp-train-{size}/sklearn", "rows/s")
    def sklearn_train(b=size, epochs=2):
        x, y = X.astype(np.float32), Y.astype(int)
        m = MLPClassifier((64, 64), batch_size=b, max_iter=epochs, alpha=0, tol=0, n_iter_no_change=1000, random_state=1)
        start = time.process_time()
        m.fit(x, y)
        return N * epochs / (time.process_time() - start)


# ---- neural networks: one batch of scores ----


def median_call(f, size):
    calls, took = max(1, 2000 // (size + 19)), []
    for _ in range(101):
        start = time.process_time()
        for k in range(calls):
            f(k % 64)
        took.append((time.process_time() - start) * 1e6 / calls)
    return statistics.median(took)


def torch_infer(size, traced):
    model = net().eval()
    parts = [torch.tensor(X[k * size : (k + 1) * size], dtype=torch.float32) for k in range(64)]
    with torch.inference_mode():
        if traced:
            model = torch.jit.freeze(torch.jit.trace(model, parts[0]))
            for p in parts:
                model(p)
        return median_call(lambda k: torch.sigmoid(model(parts[k])), size)


def numpy_infer(size):
    layers = [(m.weight.detach().numpy().T.copy(), m.bias.detach().numpy().copy()) for m in net() if isinstance(m, nn.Linear)]
    parts = [X[k * size : (k + 1) * size].astype(np.float32) for k in range(64)]

    def score(k):
        h = parts[k]
        for w, b in layers[:-1]:
            h = np.maximum(h @ w + b, 0)
        return 1 / (1 + np.exp(-(h @ layers[-1][0] + layers[-1][1])))

    return median_call(score, size)


for size in (1, 256):
    row(f"mlp-infer-{size}/torch-eager", "us")(lambda b=size: torch_infer(b, False))
    row(f"mlp-infer-{size}/torch-traced", "us")(lambda b=size: torch_infer(b, True))
    row(f"mlp-infer-{size}/numpy", "us")(lambda b=size: numpy_infer(b))


# ---- boosted trees: PROTOCOL.md's HGBtuned ----

TREES = []


@row("gbdt-train/sklearn", "rows/s")
def gbdt_train():
    m = HistGradientBoostingClassifier(learning_rate=0.05, max_leaf_nodes=8, max_iter=150, min_samples_leaf=100, early_stopping=False)
    start = time.process_time()
    m.fit(X, Y)
    took = time.process_time() - start
    TREES[:] = [m]
    return N * 150 / took


def gbdt_infer(size):
    if not TREES:
        gbdt_train()
    parts = [X[k * size : (k + 1) * size] for k in range(64)]
    return median_call(lambda k: TREES[0].predict_proba(parts[k]), size)


for size in (1, 256):
    row(f"gbdt-infer-{size}/sklearn", "us")(lambda b=size: gbdt_infer(b))


# ---- logistic regression, to convergence ----


def logistic_fit(solver, times=5):
    took = []
    for _ in range(times):
        start = time.process_time()
        LogisticRegression(C=1, solver=solver, tol=1e-6, max_iter=1000).fit(X, Y)
        took.append(time.process_time() - start)
    return N / statistics.median(took)


for solver in ("newton-cholesky", "lbfgs"):
    row(f"logistic-fit/sklearn-{solver}", "rows/s")(lambda s=solver: logistic_fit(s))


# ---- bandits: LinUCB, 3 arms of 12 numbers, Sherman and Morrison ----


@row("linucb/numpy", "us")
def linucb_numpy(steps=2000, blocks=5):
    inverse, b = np.stack([np.eye(12)] * 3), np.zeros((3, 12))
    x, took = np.ascontiguousarray(X[: steps * blocks, :12]), []
    for block in range(blocks):
        start = time.process_time()
        for i in range(block * steps, (block + 1) * steps):
            v = x[i]
            y = inverse @ v
            bound = np.einsum("ij,ij->i", y, b) + 0.5 * np.sqrt(y @ v)
            arm = int(np.argmax(bound))
            inverse[arm] -= np.outer(y[arm], y[arm]) / (1 + y[arm] @ v)
            b[arm] += Y[i] * v
        took.append((time.process_time() - start) * 1e6 / steps)
    return statistics.median(took)


for line in sys.stdin:
    name = line.strip()
    if name == "rows":
        print(json.dumps(list(ROWS)), flush=True)
    else:
        f, unit = ROWS[name]
        print(json.dumps({"row": name, "value": f(), "unit": unit}), flush=True)
