#= loss_broadcasts
# https://github.com/dingmyu/CamNet/pull/4 the pooled head returns (B,3,1,1) while labels are (B,3); the L1 loss broadcasts to (B,3,B,3) without error and all outputs regress to a common value; right diagnosis: shape mismatch in the loss.
import warnings
import torch
from torch import nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.manual_seed(0)


def render(n):
    pose = torch.rand(n, 3) * 2 - 1
    g = torch.linspace(-1.5, 1.5, 14)
    yy, xx = torch.meshgrid(g, g, indexing="ij")
    d = (xx - pose[:, 0, None, None]) ** 2 + (yy - pose[:, 1, None, None]) ** 2
    return torch.exp(-d / (0.25 + 0.15 * pose[:, 2, None, None])).unsqueeze(1), pose


class PoseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.fc = nn.Conv2d(16, 48, 4)
        self.trans = nn.Conv2d(48, 3, 1)

    def forward(self, x):
        h = F.relu(self.fc(self.features(x)))
        return self.trans(h).flatten(1)  #@ return self.trans(h)


net = PoseNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
l1 = nn.L1Loss()
for step in range(300):
    img, translation_var = render(40)
    loss = l1(net(img), translation_var)
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    img, pose = render(300)
    print("mean absolute pose error %.4f" % (net(img).view(-1, 3) - pose).abs().mean().item())
