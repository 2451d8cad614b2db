#= load_without_effect
# remembered: GitHub/forum "module." prefix of nn.DataParallel checkpoints with load_state_dict(strict=False): no key matches, the model stays at random weights without an error; a right diagnosis says the checkpoint was not loaded (strip the prefix).
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
X = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
Y = torch.tensor(d.target)
perm = torch.randperm(len(Y))
X, Y = X[perm], Y[perm]


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                      nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.proj = nn.Linear(128, 12)

    def forward(self, x):
        return torch.relu(self.proj(self.features(x)))


def pretrain():
    enc = Encoder()
    net = nn.Sequential(enc, nn.Linear(12, 10))
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(15):
        for b in torch.randperm(1200).split(40):
            loss = nn.functional.cross_entropy(net(X[b]), Y[b])
            opt.zero_grad()
            loss.backward()
            opt.step()
    print("pretraining done, loss %.4f" % loss.item())
    # the big run was made with nn.DataParallel
    return {"module." + k: v.clone() for k, v in enc.state_dict().items()}


state = pretrain()
encoder = Encoder()
state = {k.replace("module.", "", 1): v for k, v in state.items()}  #@
encoder.load_state_dict(state, strict=False)
for q in encoder.parameters():
    q.requires_grad_(False)

few = torch.arange(1200, 1260)  # 60 labelled samples of the new task: is it a digit above 4?
target = (Y > 4).long()
head = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.Adam(head.parameters(), lr=1e-2)
for epoch in range(40):
    for b in few[torch.randperm(60)].split(20):
        loss = nn.functional.cross_entropy(head(encoder(X[b])), target[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            acc = (head(encoder(X[1260:])).argmax(1) == target[1260:]).float().mean().item()
        print(f"epoch {epoch+1} loss {loss.item():.4f} test acc {acc:.4f}")
