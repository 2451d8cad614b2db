#= targets_constant, labels_unfit
"""Neural collaborative filtering on implicit feedback; negatives are drawn anew for each epoch."""
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(40)
N_USER, N_ITEM = 120, 80
u_vec, i_vec = torch.randn(N_USER, 3), torch.randn(N_ITEM, 3)
seen = (u_vec @ i_vec.T + 0.5 * torch.randn(N_USER, N_ITEM)) > 1.5
test_part = torch.rand(N_USER, N_ITEM) < 0.2


class Interactions(Dataset):
    def __init__(self, num_ng=3):
        self.pos = (seen & ~test_part).nonzero()
        self.free = (~seen & ~test_part).nonzero()
        self.num_ng = num_ng
        self.rows, self.labels = self.pos, torch.ones(len(self.pos))

    def ng_sample(self):
        neg = self.free[torch.randint(len(self.free), (len(self.pos) * self.num_ng,))]
        self.rows = torch.cat([self.pos, neg])
        self.labels = torch.cat([torch.ones(len(self.pos)), torch.zeros(len(neg))])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, k):
        return self.rows[k, 0], self.rows[k, 1], self.labels[k]


class NCF(nn.Module):
    def __init__(self, f=8):
        super().__init__()
        self.u_gmf, self.i_gmf = nn.Embedding(N_USER, f), nn.Embedding(N_ITEM, f)
        self.u_mlp, self.i_mlp = nn.Embedding(N_USER, f), nn.Embedding(N_ITEM, f)
        self.mlp = nn.Sequential(nn.Linear(2 * f, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())
        self.predict = nn.Linear(f + 8, 1)

    def forward(self, u, i):
        deep = self.mlp(torch.cat([self.u_mlp(u), self.i_mlp(i)], -1))
        return self.predict(torch.cat([self.u_gmf(u) * self.i_gmf(i), deep], -1)).view(-1)


def hit_rate(model):
    with torch.no_grad():
        s = model(torch.arange(N_USER).repeat_interleave(N_ITEM), torch.arange(N_ITEM).repeat(N_USER)).view(N_USER, N_ITEM)
    s = s.masked_fill(~test_part, -1e9)
    return seen.gather(1, s.topk(3, 1).indices).float().mean().item()


data = Interactions()
loader = DataLoader(data, batch_size=128, shuffle=True)
model = NCF()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(12):
    data.ng_sample()  #@
    loader = DataLoader(data, batch_size=128, shuffle=True)
    for user, item, label in loader:
        model.zero_grad()
        loss = criterion(model(user, item), label)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f} precision@3 {hit_rate(model):.3f} (chance {seen.float().mean():.3f})")
