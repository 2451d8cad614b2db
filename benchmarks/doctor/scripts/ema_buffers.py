#= norm_statistics_stale
"""Mean teacher style: the averaged copy of the network is what gets evaluated."""
import copy

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn, optim

torch.manual_seed(3)
rng = np.random.default_rng(3)
images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 1, 8, 8).astype("float32")
tr_x, te_x, tr_y, te_y = train_test_split(images, labels, test_size=0.25, random_state=1, stratify=labels)
tr_x, te_x, tr_y, te_y = map(torch.as_tensor, (tr_x, te_x, tr_y, te_y))


def conv_bn(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


student = nn.Sequential(conv_bn(1, 16), conv_bn(16, 32, 2), conv_bn(32, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)


@torch.no_grad()
def update_ema_variables(model, ema_model, alpha, global_step):
    alpha = min(1 - 1 / (global_step + 1), alpha)
    for ema_param, param in zip(ema_model.parameters(), model.parameters()):
        ema_param.mul_(alpha).add_(param, alpha=1 - alpha)
    for (_, ema_buf), (_, buf) in zip(ema_model.named_buffers(), model.named_buffers()):  #@
        ema_buf.copy_(buf)  #@


def accuracy(net):
    net.eval()
    with torch.no_grad():
        return (net(te_x).argmax(1) == te_y).float().mean().item()


opt = optim.SGD(student.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
global_step = 0
for epoch in range(10):
    student.train()
    for idx in np.array_split(rng.permutation(len(tr_x)), len(tr_x) // 64):
        loss = nn.functional.cross_entropy(student(tr_x[idx]), tr_y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        global_step += 1
        update_ema_variables(student, teacher, 0.97, global_step)
    print(f"[{epoch:02d}] student {accuracy(student):.3f} teacher {accuracy(teacher):.3f}")
