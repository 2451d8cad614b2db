#= losses_left_out
# https://learn.biosrag.com/ai/rnn-training.html ("for loss in losses: pass", generates "wan wan wan"): only the loss of the last time step is backpropagated; a right diagnosis says the losses of the sequence must be summed or averaged.
import torch
import torch.nn as nn

torch.manual_seed(0)
text = ("# purpose\nthis repository holds small examples of recurrent networks. "
        "each example reads a readme file and learns to write the next character. "
        "the quick brown fox jumps over the lazy dog while the packer boxes five dozen jugs. ") * 2
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
ids = torch.tensor([stoi[c] for c in text])
steps, vocab = 16, len(chars)
n_seq = (len(ids) - 1) // steps
inp = ids[:n_seq * steps].view(n_seq, steps)
tgt = ids[1:n_seq * steps + 1].view(n_seq, steps)

emb = nn.Embedding(vocab, 24)
cell = nn.RNNCell(24, 96)
dec = nn.Linear(96, vocab)
params = list(emb.parameters()) + list(cell.parameters()) + list(dec.parameters())
opt = torch.optim.Adam(params, lr=3e-3)
ce = nn.CrossEntropyLoss()


def unroll(x, y):
    h = torch.zeros(len(x), 96)
    losses, hits = [], 0
    for t in range(x.size(1)):
        h = cell(emb(x[:, t]), h)
        logits = dec(h)
        losses.append(ce(logits, y[:, t]))
        hits += (logits.argmax(1) == y[:, t]).sum().item()
    return losses, hits / y.numel()


for epoch in range(1, 121):
    perm = torch.randperm(n_seq)
    for b in range(0, n_seq, 12):
        idx = perm[b:b + 12]
        losses, _ = unroll(inp[idx], tgt[idx])
        loss = torch.stack(losses).mean()  #@
        #+ for loss in losses: pass
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 5.0)
        opt.step()
    if epoch % 20 == 0:
        with torch.no_grad():
            losses, acc = unroll(inp, tgt)
        print("epoch %3d  loss %.4f  all-steps loss %.4f  char accuracy %.3f"
              % (epoch, loss.item(), sum(l.item() for l in losses) / steps, acc))
