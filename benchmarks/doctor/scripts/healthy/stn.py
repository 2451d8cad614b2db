# healthy: https://pytorch.org/tutorials/intermediate/spatial_transformer_tutorial.html: localisation head starts as identity (zero weights), digits shifted on a 16x16 canvas; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.datasets import load_digits

torch.manual_seed(0)
D = load_digits()
img = torch.tensor(D.images, dtype=torch.float32) / 16; lab = torch.tensor(D.target)

def place(idx, gen=None):
    out = torch.zeros(len(idx), 1, 16, 16)
    off = torch.randint(0, 9, (len(idx), 2), generator=gen)
    for k, i in enumerate(idx.tolist()):
        a, b = off[k].tolist()
        out[k, 0, a:a + 8, b:b + 8] = img[i]
    return out

class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 12, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, kernel_size=3, padding=1)
        self.drop = nn.Dropout(.2)
        self.fc1 = nn.Linear(24 * 16, 50)
        self.fc2 = nn.Linear(50, 10)
        self.localization = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.MaxPool2d(2, 2), nn.ReLU(True), nn.Conv2d(8, 10, 3, padding=1), nn.MaxPool2d(2, 2), nn.ReLU(True))
        self.fc_loc = nn.Sequential(nn.Linear(10 * 4 * 4, 32), nn.ReLU(True), nn.Linear(32, 3 * 2))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))
    def stn(self, x):
        xs = self.localization(x).view(-1, 160)
        theta = self.fc_loc(xs).view(-1, 2, 3)
        return F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False), align_corners=False)
    def forward(self, x):
        x = self.stn(x)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.fc1(self.drop(x.flatten(1))))
        return F.log_softmax(self.fc2(x), dim=1)

model = Net()
optimizer = optim.Adam(model.parameters(), lr=2e-3)
test_idx = torch.arange(1400, 1797)
xt = place(test_idx, torch.Generator().manual_seed(3))
for epoch in range(1, 19):
    model.train()
    for b in torch.randperm(1400).split(64):
        optimizer.zero_grad()
        loss = F.nll_loss(model(place(b)), lab[b])
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        model.eval()
        with torch.no_grad():
            out = model(xt)
            print('epoch', epoch, 'loss', round(F.nll_loss(out, lab[test_idx]).item(), 3), 'accuracy', round((out.argmax(1) == lab[test_idx]).float().mean().item(), 4))
