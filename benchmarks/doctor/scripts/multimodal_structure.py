#= train_mode_in_evaluation
# https://github.com/pliang279/MultiBench/issues/26: the validation function calls model.train() (not eval()), so dropout is active while the validation accuracy is measured; a right diagnosis says evaluate in eval mode.
import torch
from torch import nn
from sklearn.datasets import load_digits


class Fusion(nn.Module):
    """two modalities: the left and the right half of the image"""

    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.5))
        self.right = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))

    def forward(self, inputs):
        return self.head(torch.cat([self.left(inputs[0]), self.right(inputs[1])], dim=1))


def batches(data, bs, shuffle):
    n = len(data[2])
    order = torch.randperm(n) if shuffle else torch.arange(n)
    for i in order.split(bs):
        yield [data[0][i], data[1][i]], data[2][i]


def train(model, train_data, valid_data, total_epochs=25, lr=2e-3):
    op = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    objective = nn.CrossEntropyLoss()
    bestacc = 0
    for epoch in range(total_epochs):
        model.train()
        totalloss = 0.0
        for inputs, target in batches(train_data, 64, True):
            op.zero_grad()
            loss = objective(model(inputs), target)
            totalloss += loss.item() * len(target)
            loss.backward()
            op.step()
        with torch.no_grad():
            model.eval()  #@ model.train()
            correct, vloss, n = 0, 0.0, 0
            for inputs, target in batches(valid_data, 64, False):
                out = model(inputs)
                vloss += objective(out, target).item() * len(target)
                correct += (out.argmax(1) == target).sum().item()
                n += len(target)
        bestacc = max(bestacc, correct / n)
        print("Epoch %d train loss: %.4f valid loss: %.4f acc: %.4f" % (
            epoch, totalloss / len(train_data[2]), vloss / n, correct / n))
    print("best valid accuracy", bestacc)


torch.manual_seed(0)
d = load_digits()
img = torch.tensor(d.images / 16.0, dtype=torch.float32)
L, R, Y = img[:, :, :4].reshape(-1, 32), img[:, :, 4:].reshape(-1, 32), torch.tensor(d.target)
perm = torch.randperm(len(Y))
tr, va = perm[:1300], perm[1300:]
train(Fusion(), (L[tr], R[tr], Y[tr]), (L[va], R[va], Y[va]))
