#= dropout_too_strong
"""Port of an old TensorFlow 1 script for digits (keep_prob=0.85)."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
keep_prob = 0.85
n_hidden_1, n_hidden_2, n_input, n_classes = 96, 96, 64, 10

data, target = load_digits(return_X_y=True)
data = torch.tensor(data / 16., dtype=torch.float32)
target = torch.tensor(target)
perm = torch.randperm(len(data))
data, target = data[perm], target[perm]


class MultilayerPerceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.h1 = nn.Linear(n_input, n_hidden_1)
        self.h2 = nn.Linear(n_hidden_1, n_hidden_2)
        self.out = nn.Linear(n_hidden_2, n_classes)
        self.dropout = nn.Dropout(1 - keep_prob)  #@ self.dropout = nn.Dropout(keep_prob)

    def forward(self, x):
        layer_1 = self.dropout(torch.relu(self.h1(x)))
        layer_2 = self.dropout(torch.relu(self.h2(layer_1)))
        return self.out(layer_2)


pred = MultilayerPerceptron()
cost_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(pred.parameters(), lr=0.001)

for epoch in range(20):
    pred.train()
    avg_cost = 0.
    total_batch = 1400 // 50
    for i in range(total_batch):
        batch_x, batch_y = data[i * 50:(i + 1) * 50], target[i * 50:(i + 1) * 50]
        optimizer.zero_grad()
        cost = cost_fn(pred(batch_x), batch_y)
        cost.backward()
        optimizer.step()
        avg_cost += cost.item() / total_batch
    if epoch % 4 == 3:
        pred.eval()
        with torch.no_grad():
            accuracy = (pred(data[1400:]).argmax(1) == target[1400:]).float().mean()
        print("Epoch:", '%04d' % (epoch + 1), "cost=", "{:.9f}".format(avg_cost), "Accuracy:", accuracy.item())
