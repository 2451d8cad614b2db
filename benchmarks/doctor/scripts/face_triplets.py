#= term_without_gradient
# https://github.com/liorshk/facenet_pytorch/issues/6 hard triplets are selected through .data.numpy(), which detaches the embeddings; only the classifier term trains; right diagnosis: triplet loss has no gradient (detached).
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0); np.random.seed(0)
N_ID, DIM = 40, 20
centres = torch.randn(N_ID, DIM)
nuisance = torch.randn(6, DIM)


def faces(ids):
    return centres[ids] + 1.2 * torch.randn(len(ids), 6) @ nuisance + 0.2 * torch.randn(len(ids), DIM)


class FaceNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(DIM, 64), nn.ReLU(), nn.Linear(64, 16))
        self.sex = nn.Linear(16, 2)

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


model = FaceNet()
attr = torch.randint(0, 2, (N_ID,))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for it in range(200):
    a = torch.randint(0, 30, (96,)); n = (a + torch.randint(1, 30, (96,))) % 30
    out_a, out_p, out_n = model(faces(a)), model(faces(a)), model(faces(n))
    d_p = (out_a - out_p).norm(dim=1); d_n = (out_a - out_n).norm(dim=1)
    hard = np.where((d_n - d_p < 0.5).numpy())[0]
    if len(hard) == 0:
        continue
    sel = [o[hard] for o in (out_a, out_p, out_n)]  #@ sel = [torch.from_numpy(o.data.numpy()[hard]) for o in (out_a, out_p, out_n)]
    triplet_loss = F.triplet_margin_loss(*sel, margin=0.5)
    cls_loss = F.cross_entropy(model.sex(out_a), attr[a])
    loss = triplet_loss + 0.1 * cls_loss
    optimizer.zero_grad(); loss.backward(); optimizer.step()
with torch.no_grad():
    ids = torch.arange(30, 40).repeat(20)
    ga, pr = model(faces(torch.arange(30, 40))), model(faces(ids))
    print("unseen identities, rank-1 %.3f" % ((pr @ ga.T).argmax(1) + 30 == ids).float().mean().item())
