"""Prototypical networks: 5-way 3-shot episodes of glyph vectors; new classes at test time."""
import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--way", type=int, default=5)
parser.add_argument("--shot", type=int, default=3)
parser.add_argument("--query", type=int, default=8)
parser.add_argument("--episodes", type=int, default=400)
args = parser.parse_args([])
torch.manual_seed(51)

code = torch.randn(64, 6)
mix = torch.randn(6, 40)
distract = torch.randn(10, 40)


def draw(cls, n):
    z = code[cls][:, None] + 0.3 * torch.randn(len(cls), n, 6)
    return torch.sin(z @ mix) + 0.8 * torch.randn(len(cls), n, 10) @ distract / 3


def episode(classes):
    cls = classes[torch.randperm(len(classes))[:args.way]]
    x = draw(cls, args.shot + args.query)
    return x[:, :args.shot], x[:, args.shot:]


class ProtoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 16))

    def loss(self, xs, xq):
        w, q = xq.shape[:2]
        z_proto = self.encoder(xs).mean(1)
        zq = self.encoder(xq).reshape(w * q, -1)
        log_p_y = F.log_softmax(-torch.cdist(zq, z_proto) ** 2, dim=1).view(w, q, -1)
        target = torch.arange(w).view(w, 1, 1).expand(w, q, 1)
        loss_val = -log_p_y.gather(2, target).squeeze(-1).mean()
        acc = (log_p_y.argmax(2) == target.squeeze(-1)).float().mean()
        return loss_val, acc.item()


train_classes, test_classes = torch.arange(48), torch.arange(48, 64)
model = ProtoNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 150, 0.5)


def test(n=60):
    model.eval()
    with torch.no_grad():
        accs = [model.loss(*episode(test_classes))[1] for _ in range(n)]
    model.train()
    return sum(accs) / n


print("before: accuracy on unseen classes %.3f" % test())
run_loss = run_acc = 0.0
for i in range(1, args.episodes + 1):
    loss, acc = model.loss(*episode(train_classes))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    run_loss, run_acc = run_loss + loss.item(), run_acc + acc
    if i % 100 == 0:
        print("episode %d loss %.3f acc %.3f | unseen classes %.3f" % (i, run_loss / 100, run_acc / 100, test()))
        run_loss = run_acc = 0.0
