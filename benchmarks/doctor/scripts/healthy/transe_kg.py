# TransE as in KnowledgeGraphEmbedding: log-sigmoid loss with margin gamma, self-adversarial negatives, head/tail batches in turn, filtered Hits@10
import random, torch, torch.nn.functional as F
random.seed(0); torch.manual_seed(0)
# a grid world: every relation is a displacement, so relations compose
W = 12; ent = {(x, y): x * W + y for x in range(W) for y in range(W)}; NE = len(ent)
rels = [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (-1, 1), (2, 1)]
facts = [(ent[a], r, ent[(a[0] + dx, a[1] + dy)]) for a in ent for r, (dx, dy) in enumerate(rels) if (a[0] + dx, a[1] + dy) in ent]
random.shuffle(facts); cut = int(.85 * len(facts)); train, test = facts[:cut], facts[cut:]; known = set(facts)
D, gamma, alpha, NEG = 16, 6.0, 1.0, 24
rng_ = (gamma + 2.0) / D
E = torch.empty(NE, D).uniform_(-rng_, rng_).requires_grad_(); R = torch.empty(len(rels), D).uniform_(-rng_, rng_).requires_grad_()
opt = torch.optim.Adam([E, R], lr=0.02); sched = torch.optim.lr_scheduler.MultiStepLR(opt, [400, 550], gamma=0.3)
T = torch.tensor(train)
taken = {"tail": torch.zeros(NE, len(rels), NE, dtype=torch.bool)}
taken["tail"][T[:, 0], T[:, 1], T[:, 2]] = True
taken["head"] = taken["tail"].permute(2, 1, 0)
def score(h, r, t): return gamma - (h + r - t).norm(p=1, dim=-1)
for step in range(650):
    mode = "head" if step % 2 else "tail"
    b = T[torch.randint(len(T), (128,))]; h, r, t = b.T
    neg = torch.randint(NE, (128, NEG)); bad = taken[mode][(h if mode == "tail" else t)[:, None], r[:, None], neg]
    pos_s = score(E[h], R[r], E[t])
    neg_s = score(E[h][:, None], R[r][:, None], E[neg]) if mode == "tail" else score(E[neg], R[r][:, None], E[t][:, None])
    neg_s = neg_s.masked_fill(bad, -1e4)
    w = F.softmax(alpha * neg_s, 1).detach()
    loss = -(F.logsigmoid(pos_s).mean() + (w * F.logsigmoid(-neg_s)).sum(1).mean()) / 2
    opt.zero_grad(); loss.backward(); opt.step(); sched.step()
    if step % 150 == 0: print(step, round(loss.item(), 4))
with torch.no_grad():
    ranks = []
    for h, r, t in test:
        s = score(E[h], R[r], E)
        for o in range(NE):
            if o != t and (h, r, o) in known: s[o] = -1e9
        ranks.append(int((s > s[t]).sum()) + 1)
ranks = torch.tensor(ranks).float()
print(f"mean rank {ranks.mean():.1f} of {NE}, MRR {(1 / ranks).mean():.3f} Hits@10 {(ranks <= 10).float().mean():.3f}")
