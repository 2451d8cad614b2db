#= schedule_wrong, schedule_mismatch
"""Character-level classification of made-up words with a CNN; cosine schedule from a small config."""
import json

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

CONFIG = json.loads('{"epochs": 12, "batch": 32, "lr": 0.6, "momentum": 0.9, "width": 32, "seed": 2}')
torch.manual_seed(CONFIG["seed"])
ENDINGS = [[3, 7, 1], [5, 2, 9], [7, 3, 1], [2, 5, 9], [11, 3, 7], [9, 2, 5]]


def words(n):
    ids = torch.randint(1, 26, (n, 12))
    label = torch.randint(0, len(ENDINGS), (n,))
    at = torch.randint(0, 9, (n,))
    for i in range(n):
        ids[i, at[i] : at[i] + 3] = torch.tensor(ENDINGS[label[i]])
    return ids, label


class CharCNN(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embed = nn.Embedding(27, 16)
        self.conv = nn.Conv1d(16, width, 3)
        self.fc = nn.Linear(width, len(ENDINGS))

    def forward(self, ids):
        return self.fc(self.conv(self.embed(ids).transpose(1, 2)).relu().amax(-1))


train_x, train_y = words(2000)
test_x, test_y = words(500)
net = CharCNN(CONFIG["width"])
optimizer = SGD(net.parameters(), CONFIG["lr"] / 4, CONFIG["momentum"])
scheduler = CosineAnnealingLR(optimizer, T_max=CONFIG["epochs"])
for epoch in range(CONFIG["epochs"]):
    net.train()
    for i in torch.randperm(len(train_x)).split(CONFIG["batch"]):
        loss = nn.functional.cross_entropy(net(train_x[i]), train_y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        #+ scheduler.step()
    scheduler.step()  #@
    net.eval()
    with torch.no_grad():
        print(epoch, scheduler.get_last_lr()[0], (net(test_x).argmax(1) == test_y).float().mean().item())
