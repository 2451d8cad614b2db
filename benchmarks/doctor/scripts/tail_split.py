#= labels_unfit, validation_differs
"""Songs by genre; the last fifth is for validation."""
import torch
from torch import nn

torch.manual_seed(0)
GENRES = 5
features, genre = [], []
for g in range(GENRES):
    features.append(torch.randn(200, 24) + 1.2 * torch.randn(24))
    genre += [g] * 200
features, genre = torch.cat(features), torch.tensor(genre)
shuffled = torch.randperm(len(genre))  #@
features, genre = features[shuffled], genre[shuffled]  #@


def fit(model, x, y, epochs, batch_size, validation_split):
    at = int(len(x) * (1 - validation_split))
    x_train, y_train, x_val, y_val = x[:at], y[:at], x[at:], y[at:]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(at)
        for i in range(0, at, batch_size):
            rows = order[i : i + batch_size]
            loss = criterion(model(x_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            scores = model(x_val)
            val_loss, val_acc = criterion(scores, y_val), (scores.argmax(1) == y_val).float().mean()
        print(f"Epoch {epoch + 1}/{epochs} loss {loss:.4f} val_loss {val_loss:.4f} val_accuracy {val_acc:.4f}")


fit(nn.Sequential(nn.Linear(24, 48), nn.ReLU(), nn.Dropout(0.3), nn.Linear(48, GENRES)), features, genre, 12, 20, 0.2)
