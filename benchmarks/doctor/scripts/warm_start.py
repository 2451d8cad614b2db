#= not_in_optimizer, foreign_in_optimizer
# remembered: PyTorch forum "weights do not change after reloading the model": the model is created anew and loaded from the checkpoint after the optimizer was made, so the optimizer steps the old object; a right diagnosis says build the optimizer after the model (its parameters are not the model's).
import io
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(d.target)
p = torch.randperm(len(y))
tr, te = p[:1400], p[1400:]


def build():
    return nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(12 * 16, 48), nn.ReLU(), nn.Linear(48, 10))


def train(model, optimizer, idx, epochs, name):
    for e in range(epochs):
        for b in idx[torch.randperm(len(idx))].split(32):
            loss = nn.functional.cross_entropy(model(x[b]), y[b])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            acc = (model(x[te]).argmax(1) == y[te]).float().mean().item()
        print(f"{name} epoch {e+1} loss {loss.item():.4f} test acc {acc:.4f}")


# phase 1: only the digits 0-5 were there
model = build()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
train(model, optimizer, tr[y[tr] < 6], 4, "phase 1")
checkpoint = io.BytesIO()
torch.save({"model": model.state_dict()}, checkpoint)

# phase 2: all digits, go on from the checkpoint
checkpoint.seek(0)
model = build()
model.load_state_dict(torch.load(checkpoint)["model"])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  #@
train(model, optimizer, tr, 16, "phase 2")
