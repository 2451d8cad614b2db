#= samples_mixed
"""Is the mean of the first half of a signal higher than that of the second half?"""
import torch
import torch.nn as nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_features, hidden_dim, n_classes):
        super(LSTMClassifier, self).__init__()
        self.hidden_dim = hidden_dim
        self.lstm = nn.LSTM(n_features, hidden_dim, batch_first=True)  #@ self.lstm = nn.LSTM(n_features, hidden_dim)
        self.fc = nn.Linear(hidden_dim, n_classes)

    def forward(self, x):
        # x: (batch, time, features)
        out, _ = self.lstm(x)
        return self.fc(out[:, -1, :])


torch.manual_seed(0)
signals = torch.randn(1200, 20, 3)
labels = (signals[:, :10, 0].mean(1) > signals[:, 10:, 0].mean(1)).long()
train = torch.utils.data.TensorDataset(signals[:1000], labels[:1000])
valid = torch.utils.data.TensorDataset(signals[1000:], labels[1000:])
train_dl = torch.utils.data.DataLoader(train, batch_size=25, shuffle=True)
valid_dl = torch.utils.data.DataLoader(valid, batch_size=25)
model = LSTMClassifier(3, 32, 2)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
for epoch in range(12):
    model.train()
    train_loss = 0
    for x, y in train_dl:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() / len(train_dl)
    model.eval()
    with torch.no_grad():
        acc = sum((model(x).argmax(1) == y).sum().item() for x, y in valid_dl) / len(valid)
    print("Epoch %d train loss %.4f valid acc %.3f" % (epoch, train_loss, acc))
