#= evaluation_wrong
# https://taourl.com/read-2473074.html ("validation accuracy exceeds 100%") and the copy-paste form of it: the number of correct test samples is divided by the size of the training set; the training is fine, a right diagnosis says the metric is computed wrongly.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(1)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16.0, y, test_size=0.2, random_state=1, stratify=y)
to_ds = lambda a, b: TensorDataset(torch.tensor(a, dtype=torch.float32), torch.tensor(b))
train_loader = DataLoader(to_ds(X_train, y_train), batch_size=64, shuffle=True)
test_loader = DataLoader(to_ds(X_test, y_test), batch_size=64)

device = "cuda" if torch.cuda.is_available() else "cpu"
model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10)).to(device)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def train(epoch):
    model.train()
    loss_sum = 0.0
    for data, target in train_loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(target)
    print("Epoch {}: train loss {:.4f}".format(epoch, loss_sum / len(train_loader.dataset)))


def test():
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in test_loader:
            pred = model(data.to(device)).argmax(dim=1)
            correct += (pred == target.to(device)).sum().item()
    accuracy = 100.0 * correct / len(test_loader.dataset)  #@ accuracy = 100.0 * correct / len(train_loader.dataset)
    print("    test accuracy {:.2f}%".format(accuracy))


for epoch in range(1, 21):
    train(epoch)
    test()
