#= clip_dominated
"""Everything from a config, as in the experiment framework at work."""
import json
from types import SimpleNamespace

import torch
from sklearn.datasets import load_digits
from torch import nn

CONFIG = json.loads("""
{
  "data": {"train_fraction": 0.8, "scale": 16.0},
  "model": {"hidden": [96, 48], "activation": "ReLU", "dropout": 0.1},
  "optim": {"name": "SGD", "kwargs": {"lr": 0.05, "momentum": 0.9, "nesterov": true, "weight_decay": 1e-4}},
  "train": {"epochs": 10, "batch_size": 32, "grad_clip": 2.0, "seed": 7}  #@ "train": {"epochs": 10, "batch_size": 32, "grad_clip": 0.002, "seed": 7}
}
""")


def build_model(cfg, inputs, outputs):
    activation = getattr(nn, cfg["activation"])
    layers, width = [], inputs
    for hidden in cfg["hidden"]:
        layers += [nn.Linear(width, hidden), activation(), nn.Dropout(cfg["dropout"])]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def build_optimizer(cfg, model):
    return getattr(torch.optim, cfg["name"])(model.parameters(), **cfg["kwargs"])


def load(cfg):
    digits = load_digits()
    x = torch.tensor(digits.data / cfg["scale"], dtype=torch.float32)
    y = torch.tensor(digits.target)
    cut = int(cfg["train_fraction"] * len(x))
    return SimpleNamespace(x=x[:cut], y=y[:cut]), SimpleNamespace(x=x[cut:], y=y[cut:])


def run(config):
    t = SimpleNamespace(**config["train"])
    torch.manual_seed(t.seed)
    train, test = load(config["data"])
    model = build_model(config["model"], 64, 10)
    optimizer = build_optimizer(config["optim"], model)
    history = []
    for epoch in range(t.epochs):
        model.train()
        losses = []
        for idx in torch.randperm(len(train.x)).split(t.batch_size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(train.x[idx]), train.y[idx])
            loss.backward()
            if t.grad_clip:
                nn.utils.clip_grad_norm_(model.parameters(), t.grad_clip)
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            acc = (model(test.x).argmax(1) == test.y).float().mean().item()
        history.append({"epoch": epoch, "loss": round(sum(losses) / len(losses), 4), "acc": round(acc, 4)})
    print(json.dumps(history[::3] + history[-1:], indent=1))


run(CONFIG)
