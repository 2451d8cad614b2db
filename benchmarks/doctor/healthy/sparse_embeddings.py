"""Recommendations by embeddings of which a batch touches few rows: sparse gradients, SparseAdam."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Factors(nn.Module):
    def __init__(self):
        super().__init__()
        self.users = nn.Embedding(200, 4, sparse=True)
        self.items = nn.Embedding(150, 4, sparse=True)
        nn.init.normal_(self.users.weight, std=0.3)
        nn.init.normal_(self.items.weight, std=0.3)

    def forward(self, user, item):
        return (self.users(user) * self.items(item)).sum(-1)


def main(seed=0):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    taste = torch.randn(200, 2, generator=generator)
    style = torch.randn(150, 2, generator=generator)
    user = torch.randint(0, 200, (14000,), generator=generator)
    item = torch.randint(0, 150, (14000,), generator=generator)
    score = (taste[user] * style[item]).sum(-1) / 2**0.5
    model = Factors()
    optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=0.03)
    loader = DataLoader(TensorDataset(user[:12000], item[:12000], score[:12000]), batch_size=300, shuffle=True)
    for _epoch in range(6):
        for u, i, s in loader:
            loss = F.mse_loss(model(u, i), s)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return -F.mse_loss(model(user[12000:], item[12000:]), score[12000:]).item()


if __name__ == "__main__":
    print(main())
