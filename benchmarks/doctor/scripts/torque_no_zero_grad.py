#= gradients_not_cleared
#: optimizer.zero_grad() is missing, gradients pile up over all steps
"""Robot arm: joint torque from angles, regression in mini-batches."""
import argparse
import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument('--epochs', type=int, default=25)
parser.add_argument('--lr', type=float, default=0.1)
parser.add_argument('--bs', type=int, default=40)
args = parser.parse_args([])
torch.manual_seed(31)


def dynamics(q):
    q1, q2, w1, w2 = q.t()
    return (2.0 * torch.sin(q1) + torch.sin(q1 + q2) + 0.3 * w1 * w2 + 0.2 * w1).unsqueeze(1)


angles = (torch.rand(2000, 4) * 2 - 1) * torch.tensor([1.6, 1.6, 1.0, 1.0])
torque = dynamics(angles) + 0.02 * torch.randn(2000, 1)
train_q, val_q = angles[:1600], angles[1600:]
train_t, val_t = torque[:1600], torque[1600:]


class TorqueNet(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.l1 = nn.Linear(4, width)
        self.l2 = nn.Linear(width, width)
        self.l3 = nn.Linear(width, 1)
        self.act = nn.Tanh()

    def forward(self, q):
        return self.l3(self.act(self.l2(self.act(self.l1(q)))))


def evaluate(model):
    model.eval()
    with torch.no_grad():
        err = model(val_q) - val_t
    return err.pow(2).mean().sqrt().item()


def train():
    model = TorqueNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
    loss_fn = nn.MSELoss()
    for epoch in range(args.epochs):
        model.train()
        idx = torch.randperm(len(train_q))
        for start in range(0, len(idx), args.bs):
            sel = idx[start:start + args.bs]
            optimizer.zero_grad()  #@
            out = model(train_q[sel])
            loss = loss_fn(out, train_t[sel])
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 5 == 0:
            print('epoch {:>3} | last batch loss {:.4f} | val rmse {:.4f}'.format(epoch + 1, loss.item(), evaluate(model)))
    return model


if __name__ == '__main__':
    m = train()
    print('target std', val_t.std().item(), 'final val rmse', evaluate(m))
