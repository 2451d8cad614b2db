#= not_in_optimizer
"""A small vision transformer on 8x8 digits; parameters are sorted into groups with and without weight decay."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)


class Patches(nn.Module):
    def __init__(self, dim, side=2):
        super().__init__()
        self.side = side
        self.proj = nn.Linear(side * side, dim)

    def forward(self, x):
        return self.proj(F.unfold(x, self.side, stride=self.side).transpose(1, 2))


class MiniViT(nn.Module):
    def __init__(self, dim=48, depth=2, heads=4, classes=10):
        super().__init__()
        self.patch_embed = Patches(dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, dim))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(dim, heads, dim * 2, 0.0, batch_first=True, norm_first=True) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


def param_groups(model, weight_decay):
    decay, no_decay = [], []
    for name, p in model.named_parameters():
        if name.endswith((".bias", "in_proj_bias")) or "norm" in name:
            no_decay.append(p)
        elif name in ("cls_token", "pos_embed"):  #@
            no_decay.append(p)  #@
        elif name.endswith("weight"):
            decay.append(p)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": no_decay, "weight_decay": 0.0}]


digits = load_digits()
X = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16 - 0.3
Y = torch.tensor(digits.target)
perm = torch.randperm(len(X))
train_idx, val_idx = perm[:1300], perm[1300:]
model = MiniViT()
optimizer = torch.optim.AdamW(param_groups(model, 0.05), lr=2e-3)
for epoch in range(8):
    model.train()
    for idx in train_idx[torch.randperm(len(train_idx))].split(64):
        loss = F.cross_entropy(model(X[idx]), Y[idx], label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        print(epoch, f"{loss.item():.3f}", f"{(model(X[val_idx]).argmax(-1) == Y[val_idx]).float().mean():.3f}")
