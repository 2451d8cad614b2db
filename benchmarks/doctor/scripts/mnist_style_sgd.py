#= gradients_not_cleared
# remembered: "Why do we need to call zero_grad() in PyTorch?" (Stack Overflow 48001598) and defect4ML: zero_grad is missing, gradients of all former batches add up; a right diagnosis names the missing zero_grad.
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 4, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return F.log_softmax(self.fc(x.view(-1, 64)), dim=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--epochs', type=int, default=12)
    parser.add_argument('--lr', type=float, default=0.1)
    parser.add_argument('--momentum', type=float, default=0.5)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args([])
    torch.manual_seed(args.seed)

    d = load_digits()
    x = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1)
    x = (x / 16.0 - 0.3) / 0.38
    y = torch.tensor(d.target)
    p = torch.randperm(len(y))
    x, y = x[p], y[p]
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=args.batch_size, shuffle=True)
    test_x, test_y = x[1400:], y[1400:]

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
    for epoch in range(1, args.epochs + 1):
        model.train()
        for batch_idx, (data, target) in enumerate(train_loader):
            optimizer.zero_grad()  #@
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            out = model(test_x)
            print('Epoch {}  train loss {:.4f}  test loss {:.4f}  accuracy {:.1f}%'.format(
                epoch, loss.item(), F.nll_loss(out, test_y).item(), 100. * (out.argmax(1) == test_y).float().mean()))


main()
