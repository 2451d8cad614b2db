#= load_without_effect
#: best weights are kept as model.state_dict() without a copy, so they change with further training and the overfitted last weights are "restored"
"""train_model with best weights, as in the transfer learning tutorial, tiny noisy data set."""
import copy
import torch
import torch.nn as nn
from torch.optim import lr_scheduler
from torch.utils.data import TensorDataset, DataLoader

torch.manual_seed(19)


def synth(n, noise):
    x = torch.randn(n, 20)
    clean = (x[:, 0] + x[:, 1] - x[:, 2] + 0.5 * x[:, 3] * x[:, 4] > 0).long()
    flip = torch.rand(n) < noise
    return TensorDataset(x, torch.where(flip, 1 - clean, clean))


sets = {"train": synth(160, 0.2), "val": synth(400, 0.0), "test": synth(2000, 0.0)}
loaders = {k: DataLoader(v, batch_size=16 if k == "train" else 500, shuffle=(k == "train")) for k, v in sets.items()}


def train_model(model, criterion, optimizer, scheduler, num_epochs=25):
    best_model_wts = copy.deepcopy(model.state_dict())  #@ best_model_wts = model.state_dict()
    best_loss = float("inf")
    for epoch in range(num_epochs):
        stats = {}
        for phase in ["train", "val"]:
            if phase == "train":
                model.train()
            else:
                model.eval()
            running_loss, running_corrects = 0.0, 0
            for inputs, labels in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    _, preds = torch.max(outputs, 1)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels.data).item()
            if phase == "train":
                scheduler.step()
            stats[phase] = (running_loss / len(sets[phase]), running_corrects / len(sets[phase]))
            if phase == "val" and stats["val"][0] < best_loss:
                best_loss = stats["val"][0]
                best_model_wts = copy.deepcopy(model.state_dict())  #@ best_model_wts = model.state_dict()
        if epoch % 10 == 0:
            print(epoch, {k: "loss %.4f acc %.3f" % v for k, v in stats.items()})
    print("Best val loss: {:4f}".format(best_loss))
    model.load_state_dict(best_model_wts)
    return model


model_ft = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))
criterion = nn.CrossEntropyLoss()
optimizer_ft = torch.optim.Adam(model_ft.parameters(), lr=2e-3)
exp_lr_scheduler = lr_scheduler.StepLR(optimizer_ft, step_size=20, gamma=0.5)
model_ft = train_model(model_ft, criterion, optimizer_ft, exp_lr_scheduler, num_epochs=50)

model_ft.eval()
with torch.no_grad():
    x, y = sets["test"].tensors
    out = model_ft(x)
    print("test loss %.4f acc %.4f" % (criterion(out, y).item(), (out.argmax(1) == y).float().mean().item()))
