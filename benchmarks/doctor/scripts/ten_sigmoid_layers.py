#= vanishing_gradient
#: ten sigmoid layers with a plain SGD: gradients vanish, output stays at the class prior
"""Deep fully connected network for the digits data."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(2)
digits = load_digits()
X = torch.tensor((digits.data - 8.0) / 8.0, dtype=torch.float)
Y = torch.tensor(digits.target, dtype=torch.long)
g = torch.Generator().manual_seed(0)
order = torch.randperm(len(X), generator=g)
train_i, dev_i = order[:1400], order[1400:]


class DeepNN(nn.Module):
    def __init__(self, layer_sizes):
        super(DeepNN, self).__init__()
        self.hidden = nn.ModuleList(
            [nn.Linear(a, b) for a, b in zip(layer_sizes[:-2], layer_sizes[1:-1])])
        self.out = nn.Linear(layer_sizes[-2], layer_sizes[-1])

    def forward(self, x):
        for layer in self.hidden:
            x = torch.relu(layer(x))  #@ x = torch.sigmoid(layer(x))
        return self.out(x)


def score(model, idx):
    with torch.no_grad():
        return (model(X[idx]).argmax(dim=1) == Y[idx]).double().mean().item()


model = DeepNN([64] + [50] * 7 + [10])
for m in model.modules():
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight)
        nn.init.zeros_(m.bias)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
batch_size = 20
it = 0
for epoch in range(12):
    shuffled = train_i[torch.randperm(len(train_i))]
    for i in range(0, len(shuffled), batch_size):
        b = shuffled[i:i + batch_size]
        loss = loss_fn(model(X[b]), Y[b])
        model.zero_grad()
        loss.backward()
        optimizer.step()
        it += 1
    print("iter", it, "loss %.4f" % loss.item(), "train %.3f dev %.3f" % (score(model, train_i), score(model, dev_i)))
