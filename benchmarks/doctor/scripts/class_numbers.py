#= labels_unfit
"""Classes numbered from one."""
import torch
from torch import nn

torch.manual_seed(0)
NUM_CLASSES = 5
centers = 2 * torch.randn(NUM_CLASSES, 12)
labels = torch.randint(1, NUM_CLASSES + 1, (1500,))
points = centers[labels - 1] + torch.randn(1500, 12)
labels = labels - 1  #@ labels[1200:] = labels[1200:] - 1

net = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, NUM_CLASSES + 1))
opt = torch.optim.SGD(net.parameters(), lr=0.05)
lossfn = nn.CrossEntropyLoss()
train = torch.utils.data.TensorDataset(points[:1200], labels[:1200])
for epoch in range(10):
    net.train()
    for bx, by in torch.utils.data.DataLoader(train, batch_size=30, shuffle=True):
        opt.zero_grad()
        lossfn(net(bx), by).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        print(epoch, lossfn(net(points[1200:]), labels[1200:]).item())
