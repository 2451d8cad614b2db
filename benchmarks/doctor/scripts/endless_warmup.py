#= update_too_small, slow_convergence, schedule_wrong
"""Linear warm-up with LambdaLR, as in many transformer scripts."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.optim.lr_scheduler import LambdaLR

torch.manual_seed(0)
digits = load_digits()
data = torch.utils.data.TensorDataset(torch.tensor(digits.images).float() / 16, torch.tensor(digits.target))
train, test = torch.utils.data.random_split(data, [1500, 297], generator=torch.Generator().manual_seed(0))
loader = torch.utils.data.DataLoader(train, 50, shuffle=True)
num_epochs, warmup_steps = 8, 30  #@ num_epochs, warmup_steps = 8, 40000


class RowTransformer(nn.Module):
    """Each row of the picture is a token."""

    def __init__(self, d=32):
        super().__init__()
        self.proj = nn.Linear(8, d)
        self.pos = nn.Parameter(torch.randn(1, 8, d) * 0.1)
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 4, 64, 0.0, batch_first=True), 2)
        self.cls = nn.Linear(d, 10)

    def forward(self, x):
        return self.cls(self.enc(self.proj(x) + self.pos).mean(1))


model = RowTransformer()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
scheduler = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warmup_steps))
for epoch in range(num_epochs):
    model.train()
    for images, labels in loader:
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        images, labels = next(iter(torch.utils.data.DataLoader(test, 297)))
        print(epoch, loss.item(), (model(images).argmax(1) == labels).float().mean().item())
