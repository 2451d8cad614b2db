#= parameter_unreached
"""A convolutional encoder and a head; the features are kept for a plot."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X = torch.Tensor(X).view(-1, 1, 8, 8) / 16
y = torch.LongTensor(y)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten())

    def forward(self, x):
        return self.body(x)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Linear(256, 10)
        self.last_features = None

    def forward(self, x):
        features = self.encoder(x)
        self.last_features = features.detach().numpy()
        features = features * 1.0  #@ features = torch.tensor(self.last_features)
        return self.head(features)


net = Classifier()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(10):
    order = np.random.RandomState(epoch).permutation(1500)
    for i in range(0, 1500, 50):
        idx = order[i:i + 50]
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(X[idx]), y[idx])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, (net(X[1500:]).argmax(1) == y[1500:]).float().mean().item())
