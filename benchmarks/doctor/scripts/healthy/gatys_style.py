# healthy: https://pytorch.org/tutorials/advanced/neural_style_tutorial.html: the picture is the parameter, LBFGS with a closure, content and style layers of a frozen net; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
torch.manual_seed(17)

def gram_matrix(t):
    a, b, c, d = t.size()
    f = t.view(a * b, c * d)
    return f.mm(f.t()).div(a * b * c * d)

class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__(); self.target = target.detach()
    def forward(self, x):
        self.loss = F.mse_loss(x, self.target)
        return x

class StyleLoss(nn.Module):
    def __init__(self, target):
        super().__init__(); self.target = gram_matrix(target).detach()
    def forward(self, x):
        self.loss = F.mse_loss(gram_matrix(x), self.target)
        return x

S = 32
g = torch.linspace(-1, 1, S)
yy, xx = torch.meshgrid(g, g, indexing='ij')
content = torch.stack([(xx ** 2 + yy ** 2 < .5).float(), (xx > 0).float() * .6, torch.full_like(xx, .3)])[None]
style = torch.stack([.5 + .5 * torch.sin(18 * xx), .5 + .5 * torch.sin(18 * xx + 9 * yy), .5 + .5 * torch.cos(12 * yy)])[None]
cnn = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
for m in cnn.modules():
    if isinstance(m, nn.Conv2d):
        nn.init.orthogonal_(m.weight, gain=1.4); nn.init.zeros_(m.bias)
cnn.eval().requires_grad_(False)

def build():
    model, cl, sl = nn.Sequential(), [], []
    i = 0
    for layer in cnn.children():
        if isinstance(layer, nn.Conv2d):
            i += 1; name = f'conv_{i}'
        elif isinstance(layer, nn.ReLU):
            name = f'relu_{i}'; layer = nn.ReLU(inplace=False)
        else:
            name = f'pool_{i}'
        model.add_module(name, layer)
        if name == 'conv_3':
            c = ContentLoss(model(content)); model.add_module('content', c); cl.append(c)
        if name.startswith('conv'):
            s = StyleLoss(model(style)); model.add_module(f'style_{i}', s); sl.append(s)
    return model, cl, sl

model, content_losses, style_losses = build()
model.eval().requires_grad_(False)
img = content.clone() + .05 * torch.randn_like(content)
img.requires_grad_(True)
optimizer = torch.optim.LBFGS([img])
run, hist = [0], []
while run[0] <= 120:
    def closure():
        with torch.no_grad():
            img.clamp_(0, 1)
        optimizer.zero_grad()
        model(img)
        s = sum(l.loss for l in style_losses) * 1e5
        c = sum(l.loss for l in content_losses)
        loss = s + c
        loss.backward()
        run[0] += 1
        hist.append((s.item(), c.item()))
        if run[0] % 40 == 0: print(run[0], 'style', round(s.item(), 3), 'content', round(c.item(), 4))
        return loss
    optimizer.step(closure)
with torch.no_grad():
    img.clamp_(0, 1)
print(f'style loss {hist[0][0]:.3f} -> {hist[-1][0]:.4f}; content loss at the end {hist[-1][1]:.4f}')
