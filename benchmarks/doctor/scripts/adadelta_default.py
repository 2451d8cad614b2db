#= update_too_small, slow_convergence
"""Digits with Adadelta. The other framework's default rate is 0.001, and somebody copied it."""
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(0)
X, Y = load_digits(return_X_y=True)
X_tr, X_te, Y_tr, Y_te = train_test_split(X.reshape(-1, 1, 8, 8) / 16.0, Y, test_size=0.2, stratify=Y, random_state=1)
X_tr, X_te = torch.FloatTensor(X_tr), torch.FloatTensor(X_te)
Y_tr, Y_te = torch.LongTensor(Y_tr), torch.LongTensor(Y_te)

cnn = nn.Sequential(
    nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
    nn.Dropout(0.25), nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10),
)
optimizer = torch.optim.Adadelta(cnn.parameters(), lr=1.0)  #@ optimizer = torch.optim.Adadelta(cnn.parameters(), lr=0.001)
for epoch in range(10):
    cnn.train()
    for batch in torch.randperm(len(X_tr)).chunk(24):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(cnn(X_tr[batch]), Y_tr[batch])
        loss.backward()
        optimizer.step()
    cnn.eval()
    with torch.no_grad():
        scores = cnn(X_te)
        print(epoch, nn.functional.cross_entropy(scores, Y_te).item(), (scores.argmax(1) == Y_te).float().mean().item())
