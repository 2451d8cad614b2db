# healthy: https://pytorch.org/docs/stable/optim.html#stochastic-weight-averaging: AveragedModel, SWALR, update_bn before the averaged net is used; nothing is wrong.
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(77)
imgs, lab = load_digits(return_X_y=True)
imgs = torch.tensor(imgs, dtype=torch.float32).view(-1, 1, 8, 8) / 16; lab = torch.tensor(lab)
order = torch.randperm(len(imgs))
loader = DataLoader(TensorDataset(imgs[order[:1200]], lab[order[:1200]]), batch_size=60, shuffle=True)
test = (imgs[order[1200:]], lab[order[1200:]])

def conv(i, o): return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
model = nn.Sequential(*conv(1, 16), nn.MaxPool2d(2), *conv(16, 32), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10))
swa_model = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=.1, momentum=.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
swa_start = 6
swa_scheduler = SWALR(optimizer, anneal_strategy='linear', anneal_epochs=2, swa_lr=.03)
loss_fn = nn.CrossEntropyLoss()

@torch.no_grad()
def accuracy(net):
    was = net.training; net.eval()
    a = (net(test[0]).argmax(1) == test[1]).float().mean().item()
    net.train(was)
    return a

for epoch in range(12):
    for x, y in loader:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    if epoch >= swa_start:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    else:
        scheduler.step()
    if epoch % 3 == 2: print(epoch, 'lr', round(optimizer.param_groups[0]['lr'], 4), 'acc', round(accuracy(model), 4))
update_bn(loader, swa_model)
print(f'last weights {accuracy(model):.4f}, averaged weights {accuracy(swa_model):.4f} over {int(swa_model.n_averaged)} epochs')
