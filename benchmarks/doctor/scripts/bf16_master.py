#= parameter_unchanged
"""Fine-tuning in bfloat16 to save memory: a model trained before goes on with a small learning rate."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

DTYPE = torch.float32  #@ DTYPE = torch.bfloat16
torch.manual_seed(21)
bunch = load_digits()
x = torch.tensor(bunch.data, dtype=torch.float32) / 16
y = torch.tensor(bunch.target)
rotated = torch.tensor(bunch.images, dtype=torch.float32).rot90(1, (1, 2)).flatten(1) / 16


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.mid, self.down = nn.Linear(64, 256), nn.Linear(256, 256), nn.Linear(256, 10)
        self.norm = nn.LayerNorm(256)

    def forward(self, x):
        h = nn.functional.gelu(self.up(x))
        return self.down(self.norm(h + nn.functional.gelu(self.mid(h))))


def pretrain(model):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(150):
        i = torch.randint(0, 1200, (64,))
        loss = nn.functional.cross_entropy(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def finetune(model, steps=600, lr=5e-5):
    model = model.to(DTYPE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    for step in range(steps):
        i = torch.randint(0, 1200, (64,))
        logits = model(rotated[i].to(DTYPE))
        loss = nn.functional.cross_entropy(logits.float(), y[i])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 120 == 119:
            with torch.no_grad():
                acc = (model(rotated[1200:].to(DTYPE)).argmax(-1) == y[1200:]).float().mean()
            print(f"step {step + 1}: loss {loss.item():.4f}, accuracy on turned digits {acc:.3f}")


finetune(pretrain(MLP()))
