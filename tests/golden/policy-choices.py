#!/usr/bin/python3
"""The arms that the reference's T-learner on spend takes, row by row: policy-choices.py HILLSTROM-CSV >policy/spend-choices

Each digit is a row: 1 men's, 2 women's, 3 none (of the mails men's), 4 none (of the mails women's). The least squares are
scikit-learn's LinearRegression of Debian 12 (python3-sklearn 1.2.1, libopenblas0-pthread 0.3.21). The design has two whole
sets of indicators beside the constant: no full rank. gelsd is called without a bound for singular values that are zero but
for rounding, so the answer hangs on the order of additions: one thread with AVX-512 kernels gives the reference to the last
digit; two threads, or OPENBLAS_CORETYPE=HASWELL, take other arms in other rows, and their IPS runs from 1.305 to 1.379.
"""
import csv
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402  (after the number of threads)
from sklearn.linear_model import LinearRegression  # noqa: E402

ARMS = ["No E-Mail", "Mens E-Mail", "Womens E-Mail"]
with open(sys.argv[1], newline="") as file:
    rows = list(csv.DictReader(file))


def one_hot(row, field, values):
    return [float(row[field] == value) for value in values]


features = np.array(
    [
        [int(row["recency"]) / 12, float(row["history"])]
        + [float(row[field]) for field in ("mens", "womens", "newbie")]
        + one_hot(row, "zip_code", ["Surburban", "Urban", "Rural"])
        + one_hot(row, "channel", ["Phone", "Web", "Multichannel"])
        for row in rows
    ]
)
features[:, 1] = np.log(features[:, 1]) / 8
arm = np.array([ARMS.index(row["segment"]) for row in rows])
spend = np.array([float(row["spend"]) for row in rows])
fold = np.array([((i * 2654435761 & 0xFFFFFFFF) >> 16) % 10 // 2 for i in range(len(rows))])
expected = np.zeros((len(rows), 3))
for f in range(5):
    for a in range(3):
        known = (fold != f) & (arm == a)
        expected[fold == f, a] = LinearRegression().fit(features[known], spend[known]).predict(features[fold == f])
best, mail = expected.argmax(1), 1 + expected[:, 1:].argmax(1)
print("".join(str(b if b > 0 else m + 2) for b, m in zip(best, mail)))
ips = [3 * spend[choice == arm].sum() / len(rows) for choice in (best, mail)]
print("IPS %.10f, mail only %.10f" % tuple(ips), file=sys.stderr)
