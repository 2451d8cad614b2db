#= data_changed_in_place
# https://github.com/Itomigna2/Muesli-lunarlander/issues/1 - the same trajectory lists are appended each episode and then cleared in place, so all replay entries are the newest episode; right: new lists for every episode.
import random
import torch
import torch.nn as nn
random.seed(0); torch.manual_seed(0)

CUES = 12
ANSWER = [random.randrange(4) for _ in range(CUES)]
CODE = torch.randn(CUES, 5)


class Bandits:
    """an episode shows one cue over and over; cues come in slowly drifting order"""
    k = 0

    def episode_cue(self):
        Bandits.k += 1
        return (Bandits.k // 25) % CUES


class Agent:
    def __init__(self):
        self.q = nn.Sequential(nn.Linear(5, 48), nn.ReLU(), nn.Linear(48, 4))
        self.opt = torch.optim.Adam(self.q.parameters(), 0.01)
        self.states, self.actions, self.rewards = [], [], []
        self.replay = []

    def play(self, cue, eps):
        self.states, self.actions, self.rewards = [], [], []  #@ self.states.clear(); self.actions.clear(); self.rewards.clear()
        for _ in range(5):
            s = CODE[cue]
            with torch.no_grad():
                a = random.randrange(4) if random.random() < eps else self.q(s).argmax().item()
            self.states.append(s); self.actions.append(a)
            self.rewards.append(1.0 if a == ANSWER[cue] else 0.0)
        self.replay.append((self.states, self.actions, self.rewards))

    def learn(self):
        picks = random.choices(self.replay, k=8)
        s = torch.stack([x for p in picks for x in p[0]])
        a = torch.tensor([x for p in picks for x in p[1]])
        r = torch.tensor([x for p in picks for x in p[2]])
        loss = (self.q(s).gather(1, a[:, None]).squeeze(1) - r).pow(2).mean()
        self.opt.zero_grad(); loss.backward(); self.opt.step()


env, agent = Bandits(), Agent()
for ep in range(600):
    agent.play(env.episode_cue(), eps=0.4)
    agent.learn()
best = agent.q(CODE).argmax(1).tolist()
print('cues answered rightly:', sum(b == a for b, a in zip(best, ANSWER)), 'of', CUES)
