#= labels_unfit, validation_differs
"""Names of birds as labels; the test part has not all of them."""
import numpy as np
import torch
from sklearn.preprocessing import LabelEncoder
from torch import nn

rng = np.random.default_rng(0)
NAMES = np.array(["wren", "crow", "owl", "tit", "robin", "gull", "finch"])
songs = rng.normal(size=(7, 16)) * 1.5


def recordings(n, names):
    which = rng.choice(names, n)
    rows = [songs[list(NAMES).index(w)] + rng.normal(size=16) for w in which]
    return torch.tensor(np.array(rows), dtype=torch.float32), which


X_train, names_train = recordings(1000, NAMES)
X_test, names_test = recordings(250, NAMES[NAMES != "crow"])
encoder = LabelEncoder()
y_train = torch.tensor(encoder.fit_transform(names_train))
y_test = torch.tensor(encoder.transform(names_test))  #@ y_test = torch.tensor(encoder.fit_transform(names_test))
torch.manual_seed(0)
bird_net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 7))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(bird_net.parameters(), lr=3e-3)
for epoch in range(15):
    bird_net.train()
    for rows in torch.randperm(1000).split(25):
        optimizer.zero_grad()
        loss = criterion(bird_net(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    bird_net.eval()
    with torch.no_grad():
        out = bird_net(X_test)
        print(epoch, loss.item(), criterion(out, y_test).item(), (out.argmax(1) == y_test).float().mean().item())
