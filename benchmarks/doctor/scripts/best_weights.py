#= load_without_effect
"""Keep the best weights and load them at the end (torchvision tutorial style)."""
import copy

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float() / 16, torch.tensor(y)
data = {"train": (X[:1200], y[:1200]), "val": (X[1200:], y[1200:])}


def train_model(model, criterion, optimizer, num_epochs=10):
    best_model_wts = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    for epoch in range(num_epochs):
        for phase in ["train", "val"]:
            model.train(phase == "train")
            inputs, labels = data[phase]
            running_corrects = 0
            order = torch.randperm(len(inputs)) if phase == "train" else torch.arange(len(inputs))
            for idx in order.split(50):
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs[idx])
                    loss = criterion(outputs, labels[idx])
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_corrects += (outputs.argmax(1) == labels[idx]).sum().item()
            epoch_acc = running_corrects / len(inputs)
            if phase == "val" and epoch_acc > best_acc:
                best_acc = epoch_acc
                best_model_wts = copy.deepcopy(model.state_dict())  #@ best_model_wts = model.state_dict()
        print(f"{epoch}: val acc {epoch_acc:.4f}")
    model.load_state_dict(best_model_wts)
    return model


net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))
net = train_model(net, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
