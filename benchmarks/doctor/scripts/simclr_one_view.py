#= positive_is_self
"""SimCLR on small digits as a runner with `handle_batch`; a linear probe tells what was learned."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn


class TwoViews:
    def __init__(self, images):
        self.images = images

    def view(self, x):
        x = torch.roll(x, (int(torch.randint(-1, 2, ())), int(torch.randint(-1, 2, ()))), (-2, -1))
        return x * (0.8 + 0.4 * torch.rand(len(x), 1, 1, 1)) + 0.1 * torch.randn_like(x)

    def epoch(self, size):
        for idx in torch.randperm(len(self.images)).split(size):
            if len(idx) == size:
                yield {"aug1": self.view(self.images[idx]), "aug2": self.view(self.images[idx])}


class ContrastiveRunner:
    def __init__(self, model, tau):
        self.model, self.tau = model, tau
        self.optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-5)

    def criterion(self, z1, z2):
        z = F.normalize(torch.cat([z1, z2]), dim=1)
        sim = z @ z.T / self.tau
        sim.fill_diagonal_(-1e9)
        n = len(z1)
        return F.cross_entropy(sim, torch.cat([torch.arange(n, 2 * n), torch.arange(n)]))

    def handle_batch(self, batch):
        emb1 = self.model(batch["aug1"])
        emb2 = self.model(batch["aug2"])  #@ emb2 = self.model(batch["aug1"])
        loss = self.criterion(emb1, emb2)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()


torch.manual_seed(42)
x, y = load_digits(return_X_y=True)
x = torch.tensor(x, dtype=torch.float32).view(-1, 1, 8, 8) / 16
encoder = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 64))
runner = ContrastiveRunner(nn.Sequential(encoder, nn.ReLU(), nn.Linear(64, 32)), tau=0.2)
views = TwoViews(x)
for epoch in range(25):
    losses = [runner.handle_batch(b) for b in views.epoch(128)]
    if epoch % 5 == 4:
        print(f"epoch {epoch} contrastive loss {sum(losses) / len(losses):.3f}")
with torch.no_grad():
    h = encoder(x).numpy()
probe = LogisticRegression(max_iter=200).fit(h[:200], y[:200])
print("linear probe with 200 labels:", round(probe.score(h[200:], y[200:]), 3))
