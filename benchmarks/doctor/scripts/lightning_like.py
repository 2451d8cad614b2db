#= not_in_optimizer
"""A module with training_step and configure_optimizers, and a loop that calls them."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class LitClassifier(nn.Module):
    def __init__(self, width=32, lr=3e-3):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(30, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.classifier = nn.Linear(width, 2)
        self.lr = lr

    def forward(self, x):
        return self.classifier(self.backbone(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return {"loss": F.cross_entropy(self(x), y)}

    def validation_step(self, batch, batch_idx):
        x, y = batch
        return (self(x).argmax(1) == y).float().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.lr)  #@ return torch.optim.AdamW(self.classifier.parameters(), lr=self.lr)


class MiniTrainer:
    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def fit(self, module, train_dataloader, val_dataloader):
        optimizer = module.configure_optimizers()
        for epoch in range(self.max_epochs):
            module.train()
            for idx, batch in enumerate(train_dataloader):
                optimizer.zero_grad(set_to_none=True)
                out = module.training_step(batch, idx)
                out["loss"].backward()
                optimizer.step()
            module.eval()
            with torch.no_grad():
                acc = torch.stack([module.validation_step(b, i) for i, b in enumerate(val_dataloader)]).mean()
            print(f"epoch {epoch} val_acc {acc:.3f}")


torch.manual_seed(0)
data, target = load_breast_cancer(return_X_y=True)
x = torch.tensor(data).float()
x = (x - x.mean(0)) / x.std(0)
train, val = random_split(TensorDataset(x, torch.tensor(target)), [450, 119])
MiniTrainer(max_epochs=20).fit(LitClassifier(), DataLoader(train, 32, shuffle=True), DataLoader(val, 64))
