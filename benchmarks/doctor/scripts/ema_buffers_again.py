#= norm_statistics_stale
#: the EMA copy gets parameters only, its batch norm statistics stay at their start values (sesemi issue 36, ema-pytorch issue 8)
"""Convnet on the digits with an exponential moving average of the weights, evaluation by the averaged model."""
import copy

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(31)


class ModelEMA:
    def __init__(self, model, decay=0.97):
        self.module = copy.deepcopy(model).eval()
        for p in self.module.parameters():
            p.requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model):
        for e, m in zip(self.module.parameters(), model.parameters()):
            e.lerp_(m, 1 - self.decay)
        for (_, e), (_, m) in zip(self.module.named_buffers(), model.named_buffers()):  #@
            e.copy_(m)  #@


def conv_block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


def build():
    return nn.Sequential(conv_block(1, 16), nn.MaxPool2d(2), conv_block(16, 32), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10))


def validate(model, loader, log_suffix=""):
    was = model.training
    model.eval()
    loss_m = top1 = n = 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            loss_m += nn.functional.cross_entropy(out, y, reduction="sum").item()
            top1 += (out.argmax(1) == y).sum().item()
            n += len(y)
    model.train(was)
    print(f"Test{log_suffix}: Loss: {loss_m / n:.4f}  Acc@1: {100 * top1 / n:.3f}")


def main():
    d = load_digits()
    x = torch.tensor(d.images, dtype=torch.float32)[:, None]          # grey values 0..16 as stored
    y = torch.tensor(d.target)
    idx = torch.randperm(len(x))
    loader_train = DataLoader(TensorDataset(x[idx[:1400]], y[idx[:1400]]), batch_size=32, shuffle=True, drop_last=True)
    loader_eval = DataLoader(TensorDataset(x[idx[1400:]], y[idx[1400:]]), batch_size=128)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True)
    model_ema = ModelEMA(model)
    for epoch in range(6):
        model.train()
        for x_, y_ in loader_train:
            loss = nn.functional.cross_entropy(model(x_), y_, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model_ema.update(model)
        print("epoch", epoch, "train loss", round(loss.item(), 4))
        validate(model_ema.module, loader_eval, " (EMA)")


main()
