#= loss_broadcasts
#: target of shape (B,) against network output (B, 1): smooth L1 broadcasts to (B, B) (tetrisRL PR 5)
"""Value network of a stacking game: estimates the score of a column profile from stored transitions (fitted Q evaluation)."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from collections import namedtuple

torch.manual_seed(21)
Transition = namedtuple("Transition", "state reward next_state non_final")
GAMMA, BATCH_SIZE, WIDTH = 0.9, 64, 8


def board(n):
    return torch.randint(0, 6, (n, WIDTH)).float()


def play(state):
    """One random piece; a row is cleared when all columns are filled."""
    n = state.clone()
    cols = torch.randint(0, WIDTH - 1, (len(state),))
    r = torch.arange(len(state))
    n[r, cols] += 1
    n[r, cols + 1] += 1
    cleared = n.min(1).values.clamp(min=0)
    n = n - cleared[:, None]
    bump = (n[:, 1:] - n[:, :-1]).abs().sum(1)
    reward = cleared - 0.05 * bump
    return n, reward, n.max(1).values < 9


class ValueNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(WIDTH, 64), nn.Linear(64, 64)
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        x = F.relu(self.lin1(x / 6))
        return self.out(F.relu(self.lin2(x)))


s = board(6000)
memory = Transition(s, *(lambda o: (o[1], o[0], o[2]))(play(s)))
model, frozen = ValueNet(), ValueNet()
frozen.load_state_dict(model.state_dict())
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def optimize_model():
    idx = torch.randint(0, len(memory.state), (BATCH_SIZE,))
    state_values = model(memory.state[idx])
    next_values = torch.zeros(BATCH_SIZE)
    mask = memory.non_final[idx]
    with torch.no_grad():
        next_values[mask] = frozen(memory.next_state[idx][mask]).squeeze(1)
    expected = next_values * GAMMA + memory.reward[idx]
    expected = expected.unsqueeze(1)  #@
    loss = F.smooth_l1_loss(state_values, expected)
    optimizer.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.grad.data.clamp_(-1, 1)
    optimizer.step()
    return loss.item()


for it in range(2400):
    loss = optimize_model()
    if it % 100 == 0:
        frozen.load_state_dict(model.state_dict())
    if it % 400 == 0:
        print("iteration %d loss %.4f" % (it, loss))

# check against Monte Carlo returns of fresh boards
test = board(300)
ret, cur, g, alive = torch.zeros(8, 300), test.repeat(8, 1), 1.0, torch.ones(2400)
for _ in range(40):
    cur, r, nf = play(cur)
    ret += (g * alive * r).view(8, 300)
    alive, g = alive * nf.float(), g * GAMMA
true = ret.mean(0)
with torch.no_grad():
    pred = model(test).squeeze(1)
corr = torch.corrcoef(torch.stack([pred, true]))[0, 1]
print(f"correlation of values with Monte Carlo returns {corr:.3f}  rmse {(pred - true).square().mean().sqrt():.3f}")
