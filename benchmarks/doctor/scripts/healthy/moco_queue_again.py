"""MoCo: momentum key encoder, queue of negatives as a buffer; the loss starts low with an empty queue and rises as the encoder gets better negatives."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(30)
DIM = 32
latent_dirs, nuis_dirs = torch.randn(4, DIM), torch.randn(12, DIM)


def objects(n):
    return torch.randn(n, 4)


def look(z):
    return torch.tanh(z) @ latent_dirs + 0.7 * torch.randn(len(z), 12) @ nuis_dirs


class MoCo(nn.Module):
    def __init__(self, K=512, m=0.99, T=0.2):
        super().__init__()
        self.encoder_q = nn.Sequential(nn.Linear(DIM, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 16))
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.K, self.m, self.T = K, m, T
        self.register_buffer("queue", F.normalize(torch.randn(16, K), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    @torch.no_grad()
    def _momentum_update(self):
        for q, k in zip(self.encoder_q.parameters(), self.encoder_k.parameters()):
            k.data = k.data * self.m + q.data * (1 - self.m)

    @torch.no_grad()
    def _dequeue_and_enqueue(self, keys):
        ptr = int(self.queue_ptr)
        self.queue[:, ptr:ptr + len(keys)] = keys.T
        self.queue_ptr[0] = (ptr + len(keys)) % self.K

    def forward(self, im_q, im_k):
        q = F.normalize(self.encoder_q(im_q), dim=1)
        with torch.no_grad():
            self._momentum_update()
            k = F.normalize(self.encoder_k(im_k), dim=1)
        l_pos = (q * k).sum(1, keepdim=True)
        l_neg = q @ self.queue.clone().detach()
        logits = torch.cat([l_pos, l_neg], 1) / self.T
        labels = torch.zeros(len(q), dtype=torch.long)
        self._dequeue_and_enqueue(k)
        return logits, labels


@torch.no_grad()
def retrieval(net):
    g = torch.Generator().manual_seed(0)
    z = torch.randn(200, 4, generator=g)
    a, b = F.normalize(net(look(z)), dim=1), F.normalize(net(look(z)), dim=1)
    rank = ((a @ b.T) > (a * b).sum(1, keepdim=True)).sum(1).float()
    return (rank < 20).float().mean().item()


pool, model = objects(4096), MoCo()
optimizer = torch.optim.SGD(model.encoder_q.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
print("same object in the best 10 %% before: %.3f" % retrieval(model.encoder_q))
for epoch in range(16):
    for i in torch.randperm(4096).split(128):
        output, target = model(look(pool[i]), look(pool[i]))
        loss = F.cross_entropy(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 4 == 3:
        acc = (output.argmax(1) == target).float().mean()
        print(f"Epoch [{epoch + 1}] Loss {loss.item():.3f} Acc@1 {acc:.3f} same object in the best 10 %: {retrieval(model.encoder_q):.3f}")
