#= schedule_wrong, schedule_mismatch
"""Diabetes progression with a learning rate that falls when the validation error stands still."""
import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm


class Experiment:
    def __init__(self, lr=1e-3, batch_size=16, epochs=40):
        X, y = load_diabetes(return_X_y=True)
        Xa, Xb, ya, yb = train_test_split(X, y, test_size=0.25, random_state=0)
        mean, std = ya.mean(), ya.std()

        def as_set(X, y):
            return TensorDataset(torch.tensor(X / 0.0476).float(), torch.tensor((y - mean) / std).float()[:, None])
        self.train_dl = DataLoader(as_set(Xa, ya), batch_size, shuffle=True)
        self.val_dl = DataLoader(as_set(Xb, yb), 200)
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Dropout(0.1), nn.Linear(24, 1))
        self.opt = torch.optim.SGD(self.net.parameters(), lr=lr, momentum=0.9, weight_decay=1e-3)
        self.sched = ReduceLROnPlateau(self.opt, factor=0.5, patience=2)
        self.epochs = epochs
        self.loss_fn = nn.MSELoss()

    def validate(self):
        self.net.eval()
        with torch.no_grad():
            total = sum(self.loss_fn(self.net(x), y).item() * len(x) for x, y in self.val_dl)
        self.net.train()
        return total / len(self.val_dl.dataset)

    def run(self):
        bar = tqdm(range(self.epochs), disable=True)
        for epoch in bar:
            for x, y in self.train_dl:
                loss = self.loss_fn(self.net(x), y)
                self.opt.zero_grad()
                loss.backward()
                self.opt.step()
                #+ self.sched.step(loss.item())
            val = self.validate()
            self.sched.step(val)  #@
            if epoch % 8 == 7:
                print(f"epoch {epoch + 1} lr {self.opt.param_groups[0]['lr']:.2e} train {loss.item():.3f} val {val:.3f}")


if __name__ == "__main__":
    Experiment().run()
