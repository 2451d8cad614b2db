#= samples_mixed
#: https://github.com/pytorch/pytorch/issues/1538 ; the input is (batch, time, features) but the LSTM is built without batch_first, so it runs over the batch axis and mixes samples; diagnosis: axes of the recurrent layer.
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(0)
batch_size, learning_rate, num_epoches = 50, 1e-2, 10
dig = load_digits()
img = torch.tensor(dig.images, dtype=torch.float32) / 16
lab = torch.tensor(dig.target)
p = torch.randperm(1797)
train_loader = DataLoader(TensorDataset(img[p[:1400]], lab[p[:1400]]), batch_size=batch_size, shuffle=True)
test_loader = DataLoader(TensorDataset(img[p[1400:]], lab[p[1400:]]), batch_size=batch_size)

class Rnn(nn.Module):
    def __init__(self, in_dim, hidden_dim, n_layer, n_class):
        super().__init__()
        self.lstm = nn.LSTM(in_dim, hidden_dim, n_layer, batch_first=True)  #@ self.lstm = nn.LSTM(in_dim, hidden_dim, n_layer)
        self.classifier = nn.Linear(hidden_dim, n_class)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.classifier(out[:, -1, :])

model = Rnn(8, 48, 1, 10)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=learning_rate)
for epoch in range(num_epoches):
    model.train(); running = 0.
    for im, lb in train_loader:
        loss = criterion(model(im), lb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * lb.size(0)
    print('epoch', epoch + 1, 'loss', round(running / 1400, 4))
model.eval(); eval_acc = 0
with torch.no_grad():
    for im, lb in test_loader:
        eval_acc += (model(im).argmax(1) == lb).sum().item()
print('Test Acc: {:.4f}'.format(eval_acc / 397))
