#= vanishing_gradient
# https://datafield.dev/aibook/part-03/chapter-12/case-study-01.html (six sigmoid layers, accuracy at chance) and DeepFD/AutoTrainer programs: the gradients vanish through the saturating hidden layers; a right diagnosis names vanishing gradients and ReLU (or another initialisation).
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class DocumentClassifier(nn.Module):
    """A deep MLP.

    Args:
        input_dim: number of features.
        num_classes: number of categories.
    """

    def __init__(self, input_dim: int, num_classes: int) -> None:
        super().__init__()
        act = nn.ReLU  #@ act = nn.Sigmoid
        self.layers = nn.Sequential(
            nn.Linear(input_dim, 128), act(),
            nn.Linear(128, 96), act(),
            nn.Linear(96, 64), act(),
            nn.Linear(64, 64), act(),
            nn.Linear(64, 48), act(),
            nn.Linear(48, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


torch.manual_seed(42)
X, y = load_digits(return_X_y=True)
X = (X - 8.0) / 8.0
a, b, c, d = train_test_split(X, y, test_size=0.25, stratify=y, random_state=42)
train_loader = DataLoader(TensorDataset(torch.tensor(a).float(), torch.tensor(c)), batch_size=32, shuffle=True)
xv, yv = torch.tensor(b).float(), torch.tensor(d)

model = DocumentClassifier(64, 10)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(30):
    model.train()
    total = 0.0
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        acc = (model(xv).argmax(1) == yv).float().mean().item()
    if epoch % 5 == 4:
        print(f"epoch {epoch+1} loss {total/len(train_loader):.4f} val acc {acc:.4f}")
