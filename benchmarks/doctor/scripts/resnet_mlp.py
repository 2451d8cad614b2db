#= unregistered_parameter
"""Configurable depth: the hidden layers are made in a loop."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset


class DeepMLP(nn.Module):
    def __init__(self, n_in, n_hidden, n_out, n_layers):
        super().__init__()
        self.inp = nn.Linear(n_in, n_hidden)
        self.hidden = nn.ModuleList([nn.Linear(n_hidden, n_hidden) for _ in range(n_layers)])  #@ self.hidden = [nn.Linear(n_hidden, n_hidden) for _ in range(n_layers)]
        self.out = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.relu(self.inp(x))
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.out(x)


def main(seed=0, epochs=20):
    torch.manual_seed(seed)
    X, y = make_classification(2000, n_features=20, n_informative=8, n_redundant=0, n_classes=5, n_clusters_per_class=2,
                               class_sep=1.6, random_state=seed)
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    loader = DataLoader(TensorDataset(X[:1600], y[:1600]), batch_size=64, shuffle=True)
    model = DeepMLP(20, 32, 5, n_layers=4)
    print('parameters:', sum(p.numel() for p in model.parameters()))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
        if epoch % 4 == 3:
            with torch.no_grad():
                acc = (model(X[1600:]).argmax(1) == y[1600:]).float().mean().item()
            print(f'{epoch + 1:3d} loss {loss.item():.4f} acc {acc:.4f}')


if __name__ == '__main__':
    main()
