#= loss_ignores_target, parameter_unreached
"""Lightning-style module: classification with an auxiliary reconstruction, both in `training_step`."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 24), nn.ReLU())
        self.decoder = nn.Linear(24, 64)
        self.classifier = nn.Linear(24, 10)
        self.logged = {}

    def log(self, name, value):
        self.logged.setdefault(name, []).append(float(value))

    def training_step(self, batch):
        x, y = batch
        h = self.encoder(x)
        loss = F.cross_entropy(self.classifier(h), y)
        loss += 0.5 * F.mse_loss(self.decoder(h), x)  #@ loss =+ 0.5 * F.mse_loss(self.decoder(h), x)
        self.log("train_loss", loss.detach())
        return loss

    def validation_step(self, batch):
        x, y = batch
        self.log("val_acc", (self.classifier(self.encoder(x)).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        opt = torch.optim.Adam(self.parameters(), lr=1e-3)
        return opt, torch.optim.lr_scheduler.ExponentialLR(opt, 0.95)


class Fit:
    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def __call__(self, module, train, val):
        opt, sched = module.configure_optimizers()
        for epoch in range(self.max_epochs):
            module.train()
            for batch in train:
                opt.zero_grad()
                module.training_step(batch).backward()
                opt.step()
            sched.step()
            module.eval()
            with torch.no_grad():
                for batch in val:
                    module.validation_step(batch)
            print(epoch, {k: round(v[-1], 4) for k, v in module.logged.items()})


torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x).float() / 16, torch.tensor(y)
Fit(10)(Module(), DataLoader(TensorDataset(x[:1400], y[:1400]), 32, shuffle=True), DataLoader(TensorDataset(x[1400:], y[1400:]), 397))
