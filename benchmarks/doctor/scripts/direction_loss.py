#= term_without_gradient
"""Effect of a perturbation on gene expression: squared error plus a term for the direction of the change."""
import torch
from torch import nn

torch.manual_seed(12)
GENES, DRUGS = 30, 20
control = torch.rand(GENES) + 1
effects = 0.4 * torch.randn(DRUGS, GENES) * (torch.rand(DRUGS, GENES) < 0.4)


def sample(n):
    drug = torch.randint(0, DRUGS, (n, 2))
    truth = control + effects[drug[:, 0]] + effects[drug[:, 1]]
    return drug, truth + 0.3 * torch.randn(n, GENES)


class Perturb(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(DRUGS, 24)
        self.decoder = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, GENES))

    def forward(self, drug):
        return control + self.decoder(self.emb(drug).sum(1))


def direction_loss(pred, y, ctrl):
    return ((torch.tanh(4 * (y - ctrl)) - torch.tanh(4 * (pred - ctrl))) ** 2).mean()  #@ return ((torch.sign(y - ctrl) - torch.sign(pred - ctrl)) ** 2).mean()


model = Perturb()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=300, gamma=0.5)
for step in range(900):
    drug, y = sample(32)
    pred = model(drug)
    loss = (pred - y).pow(2).mean() + 0.5 * direction_loss(pred, y, control)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 150 == 149:
        with torch.no_grad():
            drug = torch.randint(0, DRUGS, (500, 2))
            change = effects[drug[:, 0]] + effects[drug[:, 1]]
            same = ((model(drug) - control).sign() == change.sign())[change != 0].float().mean()
        print(step + 1, round(loss.item(), 4), "direction right:", round(same.item(), 3))
