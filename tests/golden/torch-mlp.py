#!/usr/bin/python3
"""Neural networks to and from PyTorch: torch-mlp.py MODEL-SCORE. Exit 77: no PyTorch here.

Safetensors files are read and written here by hand, by the format's description: 8 bytes of length, a JSON header, the data.
"""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

try:
    import torch
    from torch import nn
except ImportError as why:
    print(why)
    sys.exit(77)

torch.set_num_threads(1)
torch.manual_seed(3)
tool = sys.argv[1]


def write(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, t in tensors.items():
        raw = t.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def read(path):
    with open(path, "rb") as f:
        raw = f.read()
    (n,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + n])
    tensors = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        assert t["dtype"] == "F32", t
        begin, end = t["data_offsets"]
        tensors[name] = torch.frombuffer(bytearray(raw[8 + n + begin : 8 + n + end]), dtype=torch.float32).reshape(t["shape"])
    return tensors, header["__metadata__"]


def scored(path, rows):
    text = "\n".join(" ".join(repr(v) for v in r) for r in rows.tolist())
    out = subprocess.run([tool, "score", path], input=text, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"{path}: {out.stderr}")
    return torch.tensor([[float(v) for v in line.split()] for line in out.stdout.splitlines()], dtype=torch.float64)


def compare(what, net, path, rows, seen=None):
    ours = scored(path, rows if seen is None else seen)
    with torch.no_grad():
        z = net(rows.float())[:, 0].double()
    worst_z = ((ours[:, 0] - z).abs() / (1 + z.abs())).max().item()
    worst_p = (ours[:, 1] - torch.sigmoid(z)).abs().max().item()
    print(f"{what}: {len(rows)} rows, scores within {worst_p:.1e}, margins within {worst_z:.1e}; "
          f"scores from {ours[:, 1].min():.3f} to {ours[:, 1].max():.3f}")
    if len(ours) != len(rows) or not (worst_z < 1e-5 and worst_p < 1e-5):
        sys.exit("they differ")
    return worst_p


def stack(widths, dropout=0.0):
    layers = []
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(a, b))
        if i + 2 < len(widths):
            layers.append(nn.ReLU())
            if dropout:
                layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


class Named(nn.Module):
    """Layers in a list: layers.0.weight, layers.1.weight …"""

    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


def trained(net, cols):
    x = torch.randn(4000, cols)
    y = (x[:, 0] * x[:, -1] > 0).float()
    adam, loss = torch.optim.Adam(net.parameters(), 3e-3), nn.BCEWithLogitsLoss()
    for _ in range(3):
        for at in range(0, len(x), 64):
            adam.zero_grad()
            loss(net(x[at : at + 64])[:, 0], y[at : at + 64]).backward()
            adam.step()
    return net.eval()


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.safetensors")
    worst = 0.0
    for what, net, cols in (
        ("PyTorch's 24-64-64-1", stack([24, 64, 64, 1]), 24),
        ("with dropout", stack([11, 33, 70, 1], 0.2), 11),
        ("logistic", stack([5, 1]), 5),
        ("layers.N", Named([24, 64, 64, 1]), 24),
        ("five layers", stack([3, 300, 20, 20, 130, 1]), 3),
    ):
        trained(net, cols)
        columns = json.dumps([f"c{k}" for k in range(cols)])
        write(path, net.state_dict(), {"mailtailor": "1", "kind": "mlp", "score": "click", "columns": columns, "format": "pt"})
        worst = max(worst, compare(what, net, path, torch.randn(1000, cols, dtype=torch.float64)))
    if subprocess.run([tool, "train", path]).returncode != 0:
        sys.exit("training failed")
    tensors, meta = read(path)
    missing = tensors.pop("missing")
    net = stack([len(json.loads(meta["columns"])), 64, 64, 1])
    net.load_state_dict(tensors)
    rows = torch.randn(1000, 24, dtype=torch.float64)
    seen = rows.clone()
    seen[::7, 5] = math.nan
    rows[::7, 5] = missing[5].double()
    worst = max(worst, compare("ours in PyTorch", net.eval(), path, rows, seen))
    print(f"to and from PyTorch {torch.__version__}: scores within {worst:.1e}")
