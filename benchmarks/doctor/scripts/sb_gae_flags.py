#= terminal_bootstrapped
# https://github.com/hill-a/stable-baselines/issues/385 - GAE reads nonterminal from done[t+1] although done[t] marks the end at step t; the boundary is off by one step. Right: use done[t].
from dataclasses import dataclass
import numpy as np
import torch
from torch import nn


@dataclass
class Cfg:
    horizon: int = 160
    gamma: float = 0.99
    lam: float = 0.95
    iters: int = 40
    epochs: int = 4
    lr: float = 3e-3
    seed: int = 11


cfg = Cfg()
rng = np.random.default_rng(cfg.seed)
torch.manual_seed(cfg.seed)


class Doors:
    """the first room shows which of 3 doors is right; the prize waits four rooms further on."""

    def reset(self):
        self.room, self.ok = 0, False
        self.safe = rng.integers(3)
        return self._o()

    def _o(self):
        o = np.zeros(9, np.float32)
        if self.room == 0:
            o[self.safe] = 1
        o[3 + self.room] = 1
        o[8] = float(self.ok)
        return o

    def step(self, a):
        if self.room == 0:
            self.ok = bool(a == self.safe)
        self.room += 1
        if self.room == 4:
            r = 2.0 if self.ok else 0.0
            return self.reset(), r, 1.0
        return self._o(), 0.0, 0.0


def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 32), nn.Tanh(), nn.Linear(32, o))


pi, vf = mlp(9, 3), mlp(9, 1)
opt = torch.optim.Adam([*pi.parameters(), *vf.parameters()], lr=cfg.lr)


def segment(env, ob):
    seg = {k: [] for k in ("ob", "ac", "rew", "done", "v")}
    for _ in range(cfg.horizon):
        t = torch.from_numpy(ob)
        with torch.no_grad():
            ac = torch.distributions.Categorical(logits=pi(t)).sample().item()
            v = vf(t).item()
        seg["ob"].append(ob); seg["ac"].append(ac); seg["v"].append(v)
        ob, r, d = env.step(ac)
        seg["rew"].append(r); seg["done"].append(d)
    with torch.no_grad():
        nextv = vf(torch.from_numpy(ob)).item()
    return seg, ob, nextv


def add_vtarg_and_adv(seg, nextv):
    T = len(seg["rew"])
    done = np.append(seg["done"], 0)
    v = np.append(seg["v"], nextv)
    adv, last = np.zeros(T, np.float32), 0.0
    for t in reversed(range(T)):
        nonterminal = 1 - done[t]  #@ nonterminal = 1 - done[t + 1]
        delta = seg["rew"][t] + cfg.gamma * v[t + 1] * nonterminal - v[t]
        adv[t] = last = delta + cfg.gamma * cfg.lam * nonterminal * last
    return adv, adv + v[:-1].astype(np.float32)


env = Doors(); ob = env.reset()
hist = []
for it in range(cfg.iters):
    seg, ob, nv = segment(env, ob)
    adv, tdlam = add_vtarg_and_adv(seg, nv)
    o = torch.from_numpy(np.array(seg["ob"])); a = torch.tensor(seg["ac"])
    adv = torch.from_numpy((adv - adv.mean()) / (adv.std() + 1e-6)); tgt = torch.from_numpy(tdlam)
    with torch.no_grad():
        lp0 = torch.distributions.Categorical(logits=pi(o)).log_prob(a)
    for _ in range(cfg.epochs):
        lp = torch.distributions.Categorical(logits=pi(o)).log_prob(a)
        rt = (lp - lp0).exp()
        loss = -torch.minimum(rt * adv, rt.clamp(.8, 1.2) * adv).mean() + (vf(o).squeeze(1) - tgt).square().mean()
        opt.zero_grad(); loss.backward(); opt.step()
    hist.append(sum(seg["rew"]) / max(1, sum(seg["done"])))
print(f"mean return per episode, last 10 iterations: {np.mean(hist[-10:]):.3f}  value mse {((vf(o).squeeze(1)-tgt)**2).mean().item():.3f}")
