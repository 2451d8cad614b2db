#= poor_init
"""Course exercise: weight initialisation with model.apply."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.xavier_uniform_(m.weight)  #@ nn.init.constant_(m.weight, 0.02)
        nn.init.constant_(m.bias, 0.0)


class Perceptron(nn.Module):
    def __init__(self, sizes=(64, 100, 50, 10)):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.apply(init_weights)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


torch.manual_seed(0)
digits = load_digits()
images, target = torch.tensor(digits.data).float() / 16, torch.tensor(digits.target)
loader = DataLoader(TensorDataset(images[:1500], target[:1500]), batch_size=64, shuffle=True)
model = Perceptron()
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(8):
    for xb, yb in loader:
        loss = nn.CrossEntropyLoss()(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        print(epoch, loss.item(), (model(images[1500:]).argmax(1) == target[1500:]).float().mean().item())
