#= schedule_wrong
#: https://github.com/EvolvingLMMs-Lab/OneVision-Encoder/pull/82 ; total steps count optimizer steps, but scheduler.step runs on each micro step, so the schedule ends after a quarter of training and the rest runs at zero rate; diagnosis: step the scheduler with the optimizer.
import torch, torch.nn as nn, math
torch.manual_seed(5)
V, L = 24, 16
def batch(n):
    a = torch.randint(0, V, (n, 1)); s = torch.randint(1, 6, (n, 1)); return (a + s * torch.arange(L + 1)) % V
class TinyGPT(nn.Module):
    def __init__(self, d=48, h=4):
        super().__init__(); self.t = nn.Embedding(V, d); self.p = nn.Parameter(.02 * torch.randn(L, d))
        self.blk = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, h, 2 * d, dropout=0., batch_first=True, norm_first=True), 2, enable_nested_tensor=False)
        self.ln = nn.LayerNorm(d); self.head = nn.Linear(d, V, bias=False)
    def forward(self, x):
        m = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        return self.head(self.ln(self.blk(self.t(x) + self.p[:x.size(1)], mask=m)))
accum, total_steps, warm = 4, 130, 10
model = TinyGPT(); opt = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=.01)
def lr_at(s): return (s + 1) / warm if s < warm else max(0., (total_steps - s) / (total_steps - warm)) ** 2
sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_at)
for micro in range(total_steps * accum):
    s = batch(16); loss = nn.functional.cross_entropy(model(s[:, :-1]).flatten(0, 1), s[:, 1:].flatten())
    (loss / accum).backward()
    if (micro + 1) % accum == 0:
        nn.utils.clip_grad_norm_(model.parameters(), 1.); opt.step(); opt.zero_grad()
        sched.step()  #@
    #+ sched.step()
    if micro % 104 == 103: print('micro', micro + 1, 'loss', round(loss.item(), 3), 'lr', '%.2e' % opt.param_groups[0]['lr'])
with torch.no_grad():
    s = batch(256); lo = model(s[:, :-1]); print('val loss %.3f  acc of the last token %.3f' % (nn.functional.cross_entropy(lo.flatten(0, 1), s[:, 1:].flatten()), (lo[:, -1].argmax(-1) == s[:, -1]).float().mean()))
