import torch, torch.nn as nn
torch.manual_seed(9)
B, T, CH = 8, 1200, 24
# long streams: remember whether the count of ones so far is even since the last reset symbol
s = torch.multinomial(torch.tensor([.5, .4, .1]), B * T, replacement=True).view(B, T)
par = torch.zeros(B, T, dtype=torch.long); c = torch.zeros(B, dtype=torch.long)
for t in range(T):
    c = torch.where(s[:, t] == 2, torch.zeros_like(c), (c + (s[:, t] == 1)) % 2); par[:, t] = c
emb, rnn, out = nn.Embedding(3, 8), nn.LSTM(8, 24, batch_first=True), nn.Linear(24, 2)
ps = [*emb.parameters(), *rnn.parameters(), *out.parameters()]
opt = torch.optim.Adam(ps, 1e-2)
for ep in range(4):
    state = None
    for k in range(0, T, CH):
        h, state = rnn(emb(s[:, k:k + CH]), state)
        state = tuple(z.detach() for z in state)
        loss = nn.functional.cross_entropy(out(h).flatten(0, 1), par[:, k:k + CH].flatten())
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(ps, 1.); opt.step()
with torch.no_grad(): acc = (out(rnn(emb(s))[0]).argmax(-1) == par).float().mean().item()
print('parity accuracy %.3f' % acc)
