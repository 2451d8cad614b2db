#= target_never_updated
# https://github.com/medipixel/rl_algorithms/pull/47 (case of a wrong soft update, rebuilt) - the target network is blended into the online one, so the target stays at its initial weights and holds the critic back; right: target <- tau*online + (1-tau)*target.
import copy
import numpy as np
import torch
from torch import nn, optim

torch.manual_seed(6); np.random.seed(6)
hyper_params = dict(gamma=0.9, tau=0.02, lr_actor=2e-3, lr_critic=4e-3, batch=64, noise=0.3)


class Cart:
    """position in [-1, 1]; action shifts it; reward is highest at a moving mark"""

    def reset(self):
        self.x, self.m, self.t = np.random.uniform(-1, 1), np.random.uniform(-.8, .8), 0
        return np.array([self.x, self.m], np.float32)

    def step(self, a):
        self.x = float(np.clip(self.x + .3 * a, -1, 1)); self.t += 1
        return np.array([self.x, self.m], np.float32), 1 - abs(self.x - self.m), self.t >= 12


def mlp(i, tanh=False):
    m = [nn.Linear(i, 32), nn.ReLU(), nn.Linear(32, 1)]
    return nn.Sequential(*m, nn.Tanh()) if tanh else nn.Sequential(*m)


def soft_update(local, target, tau):
    for t_param, l_param in zip(target.parameters(), local.parameters()):
        t_param.data.copy_(tau * l_param.data + (1.0 - tau) * t_param.data)  #@ l_param.data.copy_(tau * t_param.data + (1.0 - tau) * l_param.data)


actor, critic = mlp(2, True), mlp(3)
actor_t, critic_t = copy.deepcopy(actor), copy.deepcopy(critic)
a_opt = optim.Adam(actor.parameters(), lr=hyper_params['lr_actor'])
c_opt = optim.Adam(critic.parameters(), lr=hyper_params['lr_critic'])
memory, env, step = [], Cart(), 0
for episode in range(75):
    s, done = env.reset(), False
    while not done:
        with torch.no_grad():
            a = float(actor(torch.from_numpy(s))) + np.random.randn() * hyper_params['noise']
        s2, r, done = env.step(float(np.clip(a, -1, 1)))
        memory.append((s, [np.clip(a, -1, 1)], [r], s2)); s = s2; step += 1
        if len(memory) < 128: continue
        pick = np.random.randint(0, len(memory), hyper_params['batch'])
        S, A, R, S2 = (torch.tensor(np.array(z), dtype=torch.float32) for z in zip(*[memory[i] for i in pick]))
        with torch.no_grad():
            y = R + hyper_params['gamma'] * critic_t(torch.cat([S2, actor_t(S2)], 1))
        c_loss = (critic(torch.cat([S, A], 1)) - y).square().mean()
        c_opt.zero_grad(); c_loss.backward(); c_opt.step()
        if step % 2 == 0:
            a_loss = -critic(torch.cat([S, actor(S)], 1)).mean()
            a_opt.zero_grad(); a_loss.backward(); a_opt.step()
            soft_update(critic, critic_t, hyper_params['tau']); soft_update(actor, actor_t, hyper_params['tau'])
tot = 0
for _ in range(20):
    s, done = env.reset(), False
    while not done:
        with torch.no_grad(): s, r, done = env.step(float(actor(torch.from_numpy(s))))
        tot += r / 20
print(f'mean return {tot:.2f} of 12, mean Q {y.mean().item():.2f}')
