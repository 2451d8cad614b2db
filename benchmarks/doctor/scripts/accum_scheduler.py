#= schedule_wrong, schedule_mismatch
"""Gradient accumulation in the manner of `accelerator.accumulate`, with warm-up and linear decay counted in updates."""
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


@dataclass
class TrainConfig:
    epochs: int = 12
    micro_batch: int = 16
    accumulate: int = 8
    lr: float = 4e-3
    warmup_updates: int = 5


class TinyAccelerator:
    def __init__(self, steps):
        self.steps, self.count, self.sync_gradients = steps, 0, False

    @contextmanager
    def accumulate(self):
        self.count += 1
        self.sync_gradients = self.count % self.steps == 0
        yield

    def backward(self, loss):
        (loss / self.steps).backward()


def main(cfg):
    torch.manual_seed(11)
    x, y = load_digits(return_X_y=True)
    x, y = torch.from_numpy(x).float() / 16, torch.from_numpy(y)
    order = torch.randperm(len(x))
    train = TensorDataset(x[order[:1400]], y[order[:1400]])
    x_val, y_val = x[order[1400:]], y[order[1400:]]
    loader = DataLoader(train, cfg.micro_batch, shuffle=True, drop_last=True)
    accelerator = TinyAccelerator(cfg.accumulate)
    model = nn.Sequential(nn.Linear(64, 128), nn.LayerNorm(128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.lr)
    updates = cfg.epochs * len(loader) // cfg.accumulate

    def factor(step):
        if step < cfg.warmup_updates:
            return (step + 1) / cfg.warmup_updates
        return max(0.0, (updates - step) / (updates - cfg.warmup_updates))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for epoch in range(cfg.epochs):
        model.train()
        for xb, yb in loader:
            with accelerator.accumulate():
                loss = nn.functional.cross_entropy(model(xb), yb)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                    optimizer.step()
                    scheduler.step()  #@
                    optimizer.zero_grad()
                #+ scheduler.step()
        model.eval()
        with torch.no_grad():
            acc = (model(x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch}: lr {scheduler.get_last_lr()[0]:.2e}  val acc {acc:.3f}")


if __name__ == "__main__":
    main(TrainConfig())
