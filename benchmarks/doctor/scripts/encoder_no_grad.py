#= parameter_unreached
"""Transfer: an autoencoder is trained on all digits, then encoder and classifier are tuned together on few labels."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(30)
raw = load_digits()
X = torch.tensor(raw.data, dtype=torch.float32) / 16
Y = torch.tensor(raw.target)


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 6))
        self.decoder = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 64))

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Classifier(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(6, 10)

    def forward(self, x):
        features = self.encoder(x)  #@ with torch.no_grad():
        #+     features = self.encoder(x)
        return self.head(features)


def fit(module, steps, lr, loss_of):
    optimizer = torch.optim.Adam(module.parameters(), lr=lr)
    for step in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


ae = Autoencoder()


def reconstruction():
    x = X[torch.randint(0, len(X), (100,))]
    return (ae(x) - x).square().mean()


print("reconstruction", fit(ae, 250, 2e-3, reconstruction))
clf = Classifier(ae.encoder)
for p in clf.encoder.parameters():
    p.requires_grad = True


def supervised():
    i = torch.randint(0, 900, (64,))
    return nn.functional.cross_entropy(clf(X[i]), Y[i])


for phase in range(5):
    loss = fit(clf, 80, 2e-3, supervised)
    with torch.no_grad():
        print(phase, f"{loss:.3f}", f"{(clf(X[900:]).argmax(1) == Y[900:]).float().mean():.3f}")
