#= leak_across_splits
"""Two phases in one loop, as many examples do."""
import torch
from sklearn.datasets import make_classification
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
X, y = make_classification(700, 40, n_informative=6, flip_y=0.15, random_state=7)
X, y = torch.tensor(X).float(), torch.tensor(y)
loaders = {
    "train": DataLoader(TensorDataset(X[:500], y[:500]), batch_size=25, shuffle=True),
    "val": DataLoader(TensorDataset(X[500:], y[500:]), batch_size=25),
}
model = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 2))
criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    for phase in ["train", "val"]:
        model.train() if phase == "train" else model.eval()
        running_loss, corrects = 0.0, 0
        for inputs, labels in loaders[phase]:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            if phase == "train":  #@ if model is not None:
                loss.backward()
                optimizer.step()
            running_loss += loss.item() * inputs.size(0)
            corrects += (outputs.argmax(1) == labels).sum().item()
        size = len(loaders[phase].dataset)
        print(f"{epoch} {phase} loss {running_loss / size:.4f} acc {corrects / size:.4f}")
