#= resumed_without_state
"""Training in two sittings, as on a cluster with a time limit: the second job goes on from the file of the first."""
import os
import tempfile

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

CKPT = os.path.join(tempfile.mkdtemp(), "last.pt")
TOTAL_EPOCHS, PER_JOB, BATCH = 16, 8, 50


def build():
    torch.manual_seed(100)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=TOTAL_EPOCHS)
    return model, optimizer, scheduler


def save(epoch, model, optimizer, scheduler):
    torch.save({"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, CKPT)


def load_checkpoint(model, optimizer, scheduler):
    state = torch.load(CKPT)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])  #@
    scheduler.load_state_dict(state["scheduler"])  #@
    return state["epoch"] + 1


def job(data, resume):
    x, y, xv, yv = data
    model, optimizer, scheduler = build()
    start = load_checkpoint(model, optimizer, scheduler) if resume else 0
    for epoch in range(start, min(start + PER_JOB, TOTAL_EPOCHS)):
        for idx in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        with torch.no_grad():
            val = nn.functional.cross_entropy(model(xv), yv).item()
        print(f"epoch {epoch} lr {optimizer.param_groups[0]['lr']:.4f} train {loss.item():.4f} val {val:.4f}")
        save(epoch, model, optimizer, scheduler)


x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x).float() / 16, torch.tensor(y)
job((x[:1400], y[:1400], x[1400:], y[1400:]), resume=False)
job((x[:1400], y[:1400], x[1400:], y[1400:]), resume=True)
