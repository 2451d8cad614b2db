#= order_repeats
"""Written for torchrun, also runs as one process: every rank reads its part through a DistributedSampler."""
import os

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

RANK = int(os.environ.get("RANK", 0))
WORLD_SIZE = int(os.environ.get("WORLD_SIZE", 1))


def make_table(n, seed):
    gen = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 8, generator=gen)
    y = (x[:, 0] * x[:, 1] + torch.sin(2 * x[:, 2]) + 0.5 * x[:, 3].abs()).unsqueeze(1)
    return TensorDataset(x, y + 0.1 * torch.randn(n, 1, generator=gen))


def cleanup(history):
    if RANK == 0:
        print("best", min(history))


def main():
    torch.manual_seed(1234)
    train_dataset, test_dataset = make_table(3000, 0), make_table(1000, 1)
    train_sampler = DistributedSampler(train_dataset, num_replicas=WORLD_SIZE, rank=RANK, shuffle=True, drop_last=True)
    train_loader = DataLoader(train_dataset, batch_size=50, sampler=train_sampler, shuffle=False)
    test_loader = DataLoader(test_dataset, batch_size=500)
    model = nn.Sequential(nn.Linear(8, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for epoch in range(12):
        train_sampler.set_epoch(epoch)  #@
        model.train()
        for x, y in train_loader:
            loss = F.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            mse = sum(F.mse_loss(model(x), y, reduction="sum").item() for x, y in test_loader) / len(test_dataset)
        history.append(mse)
        if RANK == 0:
            print(f"epoch {epoch:02d} test mse {mse:.4f}")
    cleanup(history)


if __name__ == "__main__":
    main()
