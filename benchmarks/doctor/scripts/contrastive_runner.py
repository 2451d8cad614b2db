#= positive_is_self
# https://github.com/catalyst-team/catalyst/pull/1278 (review) the runner feeds aug1 to both embeddings, so the positive pair is identical and no invariance is learnt; right diagnosis: two views are the same input.
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression


class TwoViews(Dataset):
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def jitter(self, im):
        return im * (0.5 + torch.rand(1)) + 1.5 * torch.randn(1) + 0.1 * torch.randn_like(im)

    def __getitem__(self, i):
        return {"aug1": self.jitter(self.x[i]), "aug2": self.jitter(self.x[i])}


class Runner:
    def __init__(self, model, tau=0.2):
        self.model, self.tau = model, tau
        self.opt = torch.optim.Adam(model.parameters(), lr=3e-3)

    def handle_batch(self, batch):
        emb1 = self.model(batch["aug1"])
        emb2 = self.model(batch["aug2"])  #@ emb2 = self.model(batch["aug1"])
        z = F.normalize(torch.cat([emb1, emb2]), dim=1)
        n = len(emb1)
        sim = z @ z.T / self.tau
        sim.fill_diagonal_(-1e9)
        return F.cross_entropy(sim, torch.arange(2 * n).roll(n))

    def train(self, loader, epochs):
        for _ in range(epochs):
            for b in loader:
                self.opt.zero_grad()
                self.handle_batch(b).backward()
                self.opt.step()


torch.manual_seed(0)
d = load_digits()
imgs = torch.tensor(d.images, dtype=torch.float32) / 16
backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32))
Runner(backbone).train(DataLoader(TwoViews(imgs[:800]), 80, shuffle=True, drop_last=True), 12)
ds = TwoViews(imgs)
torch.manual_seed(9)
noisy = torch.stack([ds.jitter(im) for im in imgs])
f = F.normalize(backbone(noisy), dim=1).detach().numpy()
clf = LogisticRegression(max_iter=500).fit(f[:150], d.target[:150])
print("probe accuracy on perturbed digits: %.3f" % clf.score(f[1200:], d.target[1200:]))
