#= log_of_probabilities, samples_mixed, wrong_loss_family
"""A classifier that ends in a log-softmax."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_wine


class WineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(13, 32), nn.Linear(32, 16), nn.Linear(16, 3)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)  #@ return F.log_softmax(self.fc3(x), dim=0)


torch.manual_seed(0)
features, classes = load_wine(return_X_y=True)
order = torch.randperm(len(features))
features = torch.tensor(features).float()[order]
classes = torch.tensor(classes)[order]
mean, std = features[:140].mean(0), features[:140].std(0)
features = (features - mean) / std
model = WineNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(60):
    model.train()
    for start in range(0, 140, 20):
        x, y = features[start : start + 20], classes[start : start + 20]
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        model.eval()
        with torch.no_grad():
            accuracy = (model(features[140:]).argmax(1) == classes[140:]).float().mean().item()
        print(epoch, round(loss.item(), 4), round(accuracy, 3))
