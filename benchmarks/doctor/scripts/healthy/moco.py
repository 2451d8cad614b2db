# healthy: https://github.com/facebookresearch/moco: momentum encoder, queue with pointer in a buffer, labels all zero because the positive is first; nothing is wrong.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

class MoCo(nn.Module):
    def __init__(self, base, dim=32, K=512, m=0.98, T=0.15):
        super().__init__()
        self.K, self.m, self.T = K, m, T
        self.encoder_q, self.encoder_k = base(dim), base(dim)
        for q, k in zip(self.encoder_q.parameters(), self.encoder_k.parameters()):
            k.data.copy_(q.data); k.requires_grad = False
        self.register_buffer('queue', F.normalize(torch.randn(dim, K), dim=0))
        self.register_buffer('queue_ptr', torch.zeros(1, dtype=torch.long))
    @torch.no_grad()
    def _momentum_update_key_encoder(self):
        for q, k in zip(self.encoder_q.parameters(), self.encoder_k.parameters()):
            k.data = k.data * self.m + q.data * (1. - self.m)
    @torch.no_grad()
    def _dequeue_and_enqueue(self, keys):
        b, ptr = keys.shape[0], int(self.queue_ptr)
        assert self.K % b == 0
        self.queue[:, ptr:ptr + b] = keys.T
        self.queue_ptr[0] = (ptr + b) % self.K
    def forward(self, im_q, im_k):
        q = F.normalize(self.encoder_q(im_q), dim=1)
        with torch.no_grad():
            self._momentum_update_key_encoder()
            k = F.normalize(self.encoder_k(im_k), dim=1)
        l_pos = torch.einsum('nc,nc->n', [q, k]).unsqueeze(-1)
        l_neg = torch.einsum('nc,ck->nk', [q, self.queue.clone().detach()])
        logits = torch.cat([l_pos, l_neg], dim=1) / self.T
        labels = torch.zeros(logits.shape[0], dtype=torch.long)
        self._dequeue_and_enqueue(k)
        return logits, labels

def base(dim):
    return nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(768, 96), nn.ReLU(), nn.Linear(96, dim))

def view(x):
    n = len(x)
    th = torch.eye(2, 3).repeat(n, 1, 1) + torch.cat([(torch.rand(n, 2, 2) - .5) * .4, (torch.rand(n, 2, 1) - .5) * .5], 2)
    return F.grid_sample(x, F.affine_grid(th, x.shape, align_corners=False), align_corners=False) + .05 * torch.randn_like(x)

def main():
    torch.manual_seed(8)
    d = load_digits()
    x = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16
    model = MoCo(base)
    opt = torch.optim.SGD(model.encoder_q.parameters(), 0.06, momentum=0.9, weight_decay=1e-4)
    for epoch in range(16):
        for b in torch.randperm(1408).split(64):
            out, target = model(view(x[b]), view(x[b]))
            loss = F.cross_entropy(out, target)
            opt.zero_grad(); loss.backward(); opt.step()
        if epoch % 5 == 0: print(epoch, 'loss', round(loss.item(), 3), 'acc', (out.argmax(1) == 0).float().mean().item())
    with torch.no_grad(): f = model.encoder_q[:7](x).numpy()
    f0 = f[:1408]; s = f0.std(0) + 1e-6
    clf = RidgeClassifier().fit(f0 / s, d.target[:1408])
    print('probe accuracy on held-out digits:', round(clf.score(f[1408:] / s, d.target[1408:]), 3))

main()
