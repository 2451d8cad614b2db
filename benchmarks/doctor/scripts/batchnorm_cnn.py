#= train_mode_in_evaluation
"""CNN with batch norm and dropout; tested image by image as it will be used."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

np.random.seed(0)
torch.manual_seed(0)
bunch = load_digits()
imgs = (bunch.images / 16.0).astype(np.float32)[:, None]
lbls = bunch.target.astype(np.int64)
p = np.random.permutation(len(imgs))
imgs, lbls = torch.from_numpy(imgs[p]), torch.from_numpy(lbls[p])


class Model(nn.Module):
    def __init__(self):
        super(Model, self).__init__()
        self.c1 = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.b1 = nn.BatchNorm2d(16)
        self.c2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.b2 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2, 2)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.b1(self.c1(x))))
        x = self.pool(torch.relu(self.b2(self.c2(x))))
        x = self.drop(x.flatten(1))
        return self.fc(x)


def train(model, optimizer, n_epochs=6):
    model.train()
    for ep in range(n_epochs):
        tot = 0.0
        for i in range(0, 1400, 28):
            optimizer.zero_grad()
            l = nn.functional.cross_entropy(model(imgs[i:i + 28]), lbls[i:i + 28])
            l.backward()
            optimizer.step()
            tot += l.item()
        print('epoch', ep + 1, 'loss', tot / 50)


def test(model):
    model.eval()  #@
    n_ok = 0
    with torch.no_grad():
        for k in range(1400, len(imgs)):
            scores = model(imgs[k:k + 1])
            n_ok += int(scores.argmax() == lbls[k])
    print('accuracy on the test images: %d %%' % (100 * n_ok / (len(imgs) - 1400)))


model = Model()
train(model, torch.optim.Adam(model.parameters(), lr=2e-3))
test(model)
