#= double_softmax
# https://github.com/mlelarge/graph_neural_net/pull/37 and https://discuss.pytorch.org/t/43814: the model ends in a softmax and nn.CrossEntropyLoss applies log_softmax again; a right diagnosis says give logits.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, random_split, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(10)
raw = load_digits()
dataset = TensorDataset(torch.from_numpy(raw.images).float().unsqueeze(1) / 16, torch.from_numpy(raw.target))
train_set, test_set = random_split(dataset, [1400, len(dataset) - 1400], generator=torch.Generator().manual_seed(0))
train_loader = DataLoader(train_set, batch_size=40, shuffle=True)
test_loader = DataLoader(test_set, batch_size=200)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 3)
        self.conv2 = nn.Conv2d(10, 20, 3)
        self.fc1 = nn.Linear(20 * 4 * 4, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.fc1(x.flatten(1)))
        x = self.fc2(x)
        return x  #@ return F.softmax(x, dim=1)


model = CNN()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
for epoch in range(15):
    running_loss = 0.0
    model.train()
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in test_loader:
            correct += (model(images).argmax(1) == labels).sum().item()
            total += len(labels)
    print(f'epoch {epoch} loss = {running_loss/len(train_loader):.4f} accuracy = {100*correct/total:.1f}%')
