#= double_softmax
#: sigmoid applied twice: model ends in a sigmoid, loss is BCEWithLogits, and prediction takes the sigmoid again
"""Credit default (rare positive class), torch version of a Kaggle kernel."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import f1_score, log_loss

torch.manual_seed(0)
rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 12)).astype("float32")
logit = 2.2 * X[:, 0] - 1.8 * X[:, 1] * X[:, 2] + 1.2 * X[:, 3] - 3.0
y = (rng.random(4000) < 1 / (1 + np.exp(-2 * logit))).astype("float32")
x_train, x_test = torch.tensor(X[:3000]), torch.tensor(X[3000:])
y_train, y_test = torch.tensor(y[:3000]), y[3000:]


class BinaryClassification(nn.Module):
    def __init__(self):
        super(BinaryClassification, self).__init__()
        self.layer_1 = nn.Linear(12, 64)
        self.layer_2 = nn.Linear(64, 64)
        self.layer_out = nn.Linear(64, 1)
        self.relu = nn.ReLU()
        self.batchnorm1 = nn.BatchNorm1d(64)

    def forward(self, inputs):
        x = self.batchnorm1(self.relu(self.layer_1(inputs)))
        x = self.relu(self.layer_2(x))
        return self.layer_out(x)  #@ return torch.sigmoid(self.layer_out(x))


model = BinaryClassification()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
model.train()
for e in range(1, 9):
    epoch_loss = 0
    for idx in torch.randperm(3000).split(64):
        optimizer.zero_grad()
        y_pred = model(x_train[idx])
        loss = criterion(y_pred, y_train[idx].unsqueeze(1))
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    print(f"Epoch {e:03}: | Loss: {epoch_loss / 47:.5f}")

model.eval()
with torch.no_grad():
    prob = torch.sigmoid(model(x_test)).squeeze().numpy()
print("positives in test:", y_test.mean(), "predicted:", (prob > 0.5).mean())
print("test f1: %.3f  log loss: %.3f" % (f1_score(y_test, prob > 0.5), log_loss(y_test, prob)))
