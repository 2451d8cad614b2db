#= log_of_probabilities
"""Wine cultivars."""
import numpy as np
import torch
from sklearn import datasets, model_selection, preprocessing

torch.manual_seed(5)
wine = datasets.load_wine()
features = preprocessing.scale(wine.data).astype(np.float32)
tr_x, va_x, tr_y, va_y = model_selection.train_test_split(features, wine.target, test_size=0.3, random_state=5)
tr_x, va_x, tr_y, va_y = map(torch.tensor, (tr_x, va_x, tr_y, va_y))


class WineNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = torch.nn.Linear(13, 20)
        self.l2 = torch.nn.Linear(20, 3)
        self.out = torch.nn.LogSoftmax(dim=1)

    def forward(self, x):
        x = torch.relu(self.l1(x))
        return self.out(self.l2(x))  #@ return self.l2(x)


net = WineNet()
loss_fn = torch.nn.NLLLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.05)
history = {"loss": [], "val_loss": [], "val_acc": []}
for e in range(60):
    perm = torch.randperm(len(tr_x))
    for idx in perm.split(16):
        loss = loss_fn(net(tr_x[idx]), tr_y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.inference_mode():
        out = net(va_x)
        history["loss"].append(float(loss))
        history["val_loss"].append(float(loss_fn(out, va_y)))
        history["val_acc"].append(float((out.argmax(-1) == va_y).float().mean()))
print(history["loss"][-1], history["val_loss"][-1], history["val_acc"][-1])
