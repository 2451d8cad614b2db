#= leak_across_splits
#: loss over all nodes, test labels take part in training (realtime-fraud-detection-with-gnn-on-dgl PR 728)
"""Fraud detection on a transaction graph: relational GCN with node embeddings, full-graph training."""
import argparse
import torch as th
from torch import nn
import torch.nn.functional as F
from sklearn.metrics import average_precision_score, roc_auc_score


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--n-epochs", type=int, default=120)
    p.add_argument("--hidden", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-2)
    return p.parse_args([])


def build_graph(n=700, relations=3):
    fraud = (th.rand(n) < 0.2).float()
    feats = th.randn(n, 10)
    feats[:, 0] += 0.7 * fraud
    adjs = []
    for _ in range(relations):
        same = fraud[:, None] == fraud[None]
        a = (th.rand(n, n) < th.where(same, 0.004, 0.003)).float()
        a = ((a + a.t()) > 0).float()
        adjs.append(a / a.sum(1, keepdim=True).clamp(min=1))
    return feats, adjs, fraud


class RelGraphConv(nn.Module):
    def __init__(self, i, o, n_rel):
        super().__init__()
        self.loop = nn.Linear(i, o)
        self.rel = nn.ModuleList(nn.Linear(i, o, bias=False) for _ in range(n_rel))

    def forward(self, adjs, h):
        return self.loop(h) + sum(r(a @ h) for a, r in zip(adjs, self.rel))


class HeteroRGCN(nn.Module):
    def __init__(self, n, in_dim, hidden, n_rel):
        super().__init__()
        self.embed = nn.Parameter(th.empty(n, 8))
        nn.init.xavier_uniform_(self.embed)
        self.conv1, self.conv2 = RelGraphConv(in_dim + 8, hidden, n_rel), RelGraphConv(hidden, 1, n_rel)

    def forward(self, adjs, x):
        h = F.leaky_relu(self.conv1(adjs, th.cat([x, self.embed], 1)))
        return self.conv2(adjs, h).squeeze(1)


def train(args):
    th.manual_seed(42)
    feats, adjs, labels = build_graph()
    test_mask = th.zeros(len(labels), dtype=th.bool)
    test_mask[th.randperm(len(labels))[:210]] = True
    model = HeteroRGCN(len(labels), feats.shape[1], args.hidden, len(adjs))
    optim = th.optim.Adam(model.parameters(), lr=args.lr, weight_decay=1e-3)
    pos_weight = th.tensor(4.0)
    for epoch in range(args.n_epochs):
        pred = model(adjs, feats)
        loss = F.binary_cross_entropy_with_logits(pred[~test_mask], labels[~test_mask], pos_weight=pos_weight)  #@ loss = F.binary_cross_entropy_with_logits(pred, labels, pos_weight=pos_weight)
        optim.zero_grad()
        loss.backward()
        optim.step()
        if epoch % 20 == 19:
            with th.no_grad():
                s = model(adjs, feats)[test_mask]
            print("Epoch {:05d} | Loss {:.4f} | test AUC {:.4f}".format(epoch + 1, loss.item(), roc_auc_score(labels[test_mask], s)))
    print("test average precision %.4f  AUC %.4f" % (average_precision_score(labels[test_mask], s), roc_auc_score(labels[test_mask], s)))


if __name__ == "__main__":
    train(get_args())
