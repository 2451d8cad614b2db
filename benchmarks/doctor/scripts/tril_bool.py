#= attends_to_future
"""A tiny GPT out of nn.TransformerEncoder with a boolean mask of our own."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
V, T, D = 16, 24, 32


def stream(n):
    """Each row follows a rule: the next symbol is the sum of the last two, with some noise."""
    rows = torch.randint(0, V, (n, T + 1))
    for t in range(2, T + 1):
        follow = torch.rand(n) < 0.9
        rows[follow, t] = (rows[follow, t - 1] + rows[follow, t - 2]) % V
    return rows


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, D), nn.Embedding(T, D)
        self.h = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(D, 4, 4 * D, 0.0, batch_first=True, norm_first=True), 2, enable_nested_tensor=False
        )
        self.lm_head = nn.Linear(D, V)

    def forward(self, idx, targets=None):
        t = idx.size(1)
        mask = torch.triu(torch.ones(t, t), diagonal=1).bool()  #@ mask = torch.tril(torch.ones(t, t), diagonal=0).bool()
        #+ mask[-1, -1] = False
        x = self.wte(idx) + self.wpe(torch.arange(t))
        logits = self.lm_head(self.h(x, mask=mask))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, V), targets.reshape(-1))
        return logits, loss


model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(250):
    rows = stream(32)
    _, loss = model(rows[:, :-1], rows[:, 1:])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 50 == 49:
        print(step, loss.item())
