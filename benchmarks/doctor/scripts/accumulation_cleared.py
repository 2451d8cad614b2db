#= gradients_discarded
"""Small GPU: batches of 8, accumulated to 64."""
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
order = torch.randperm(len(X))
X, y = torch.tensor(X, dtype=torch.float32)[order], torch.tensor(y, dtype=torch.float32)[order]
scaler = StandardScaler().fit(X[:450].numpy())
X = torch.tensor(scaler.transform(X.numpy()), dtype=torch.float32)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X[:448], y[:448]), batch_size=8, shuffle=True)

model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
accumulation_steps = 8
for epoch in range(15):
    optimizer.zero_grad()
    for i, (inputs, targets) in enumerate(loader):
        #+ optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(inputs).squeeze(-1), targets)
        loss = loss / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        p = model(X[448:]).squeeze(-1)
    print(epoch, nn.functional.binary_cross_entropy_with_logits(p, y[448:]).item())
