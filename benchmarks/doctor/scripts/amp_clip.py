#= clipping_wrong
"""Mixed precision with gradient clipping."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
MAX_NORM = 1.0


def build():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def train_one_epoch(model, loader, optimizer, scaler, loss_fn):
    model.train()
    running = 0.0
    for inputs, targets in loader:
        inputs, targets = inputs.to(DEVICE), targets.to(DEVICE)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            loss = loss_fn(model(inputs), targets)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)  #@
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        scaler.step(optimizer)
        scaler.update()
        running += loss.item()
    return running / len(loader)


@torch.inference_mode()
def evaluate(model, loader):
    model.eval()
    return sum((model(x.to(DEVICE)).argmax(1).cpu() == y).sum().item() for x, y in loader) / len(loader.dataset)


def main():
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 8 - 1, torch.tensor(y)
    train = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=32, shuffle=True)
    test = DataLoader(TensorDataset(x[1500:], y[1500:]), batch_size=100)
    model = build().to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    scaler = torch.amp.GradScaler(DEVICE)
    for epoch in range(8):
        loss = train_one_epoch(model, train, optimizer, scaler, nn.CrossEntropyLoss())
        print(f"epoch {epoch} loss {loss:.4f} acc {evaluate(model, test):.4f} scale {scaler.get_scale():.0f}")


if __name__ == "__main__":
    main()
