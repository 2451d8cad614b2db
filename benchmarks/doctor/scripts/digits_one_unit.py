#= wrong_loss_family, labels_unfit
"""The first network of somebody who had done yes-or-no questions before."""
import torch
from sklearn.datasets import load_digits
from torch import nn

output_nodes = 10  #@ output_nodes = 1
torch.manual_seed(0)
data, labels = load_digits(return_X_y=True)
data = torch.tensor(data, dtype=torch.float32) / 16
labels = torch.tensor(labels)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, output_nodes))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_function = nn.CrossEntropyLoss()  #@ loss_function = nn.BCEWithLogitsLoss()
for epoch in range(10):
    for i in range(0, 1400, 35):
        out = net(data[i : i + 35])
        loss = loss_function(out, labels[i : i + 35])  #@ loss = loss_function(out.squeeze(1), labels[i : i + 35].float())
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        out = net(data[1400:])
        predicted = out.argmax(1)  #@ predicted = torch.sigmoid(out).squeeze(1).round()
        print("loss: %.4f - val_acc: %.4f" % (loss.item(), (predicted == labels[1400:]).float().mean().item()))
