#= log_of_probabilities, wrong_loss_family
"""Distil a large network of digits into a small one."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = load_digits()
x, y = torch.tensor(data.images).float().flatten(1) / 16, torch.tensor(data.target)
train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=64, shuffle=True)
teacher = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
student = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))

optimizer = torch.optim.Adam(teacher.parameters(), 1e-3)
for _ in range(5):
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        F.cross_entropy(teacher(inputs), labels).backward()
        optimizer.step()
teacher.eval()

T, alpha = 4.0, 0.7
optimizer = torch.optim.Adam(student.parameters(), 3e-3)
for epoch in range(10):
    student.train()
    for inputs, labels in train_loader:
        with torch.no_grad():
            soft = F.softmax(teacher(inputs) / T, dim=1)
        logits = student(inputs)
        kd = F.kl_div(F.log_softmax(logits / T, dim=1), soft, reduction="batchmean") * T * T  #@ kd = F.kl_div(F.softmax(logits / T, dim=1), soft, reduction="batchmean") * T * T
        loss = alpha * kd + (1 - alpha) * F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    student.eval()
    with torch.no_grad():
        print(epoch, (student(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
