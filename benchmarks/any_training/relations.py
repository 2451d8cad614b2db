"""Trainings whose samples stand in relations: pairs, graphs, users and items."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.any_training.training import STEPS, Training, adam, normal, plain_loop, whole_numbers
from hasten import Data, Stop, Task, Update

STOP = Stop(steps=STEPS)


def contrastive() -> Training:
    """Two views of each sample; the loss compares every sample with every other one of the batch."""
    views = TensorDataset(normal(64, 8), normal(64, 8) + 0.1 * normal(64, 8, seed=1))

    def loader() -> DataLoader[Any]:
        return DataLoader(views, 16, shuffle=True, drop_last=True)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))

    def loss(net: nn.Module, batch: list[Tensor]) -> Tensor:
        one, other = (F.normalize(net(view), dim=1) for view in batch)
        return F.cross_entropy(one @ other.T / 0.1, torch.arange(len(one), device=one.device))

    return Training(
        "contrastive",
        lambda: plain_loop(model, adam, loader(), loss),
        lambda: Task(
            name="contrastive",
            data=Data(train=loader(), valid=views),
            model=model,
            objective=loss,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


@dataclass
class Graphs:
    """Several graphs as one, as torch_geometric batches them."""

    x: Tensor
    edges: Tensor
    graph: Tensor
    y: Tensor

    @property
    def num_graphs(self) -> int:
        """Return how many graphs these are."""
        return len(self.y)

    def to(self, device: Any, non_blocking: bool = False) -> "Graphs":
        """Return the same on a device."""
        tensors = self.x, self.edges, self.graph, self.y
        return Graphs(*(one.to(device, non_blocking=non_blocking) for one in tensors))


class Rings(Dataset[Any]):
    """Rings of 3 to 8 nodes, with a number each."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, float]:
        nodes = 3 + index % 6
        start = torch.arange(nodes)
        x = normal(nodes, 4, seed=index)
        return x, torch.stack([start, (start + 1) % nodes]), float(x.mean())


def one_graph(samples: list[Any]) -> Graphs:
    """Return graphs as one that is not connected."""
    xs, edges, targets = zip(*samples, strict=True)
    counts = torch.tensor([len(x) for x in xs])
    starts = (counts.cumsum(0) - counts).tolist()
    shifted = [one + start for one, start in zip(edges, starts, strict=True)]
    graph = torch.arange(len(xs)).repeat_interleave(counts)
    return Graphs(torch.cat(xs), torch.cat(shifted, 1), graph, torch.tensor(targets))


class GraphNet(nn.Module):
    """Two rounds of messages and a mean over the nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(8, 16), nn.Linear(32, 16), nn.Linear(16, 1)

    def forward(self, graphs: Graphs) -> Tensor:
        """Return a number per graph."""
        x, (source, target) = graphs.x, graphs.edges
        for layer in (self.first, self.second):
            x = layer(torch.cat([x, torch.zeros_like(x).index_add(0, target, x[source])], 1)).relu()
        sums = x.new_zeros(graphs.num_graphs, x.shape[1]).index_add(0, graphs.graph, x)
        return self.head(sums / graphs.graph.bincount().unsqueeze(1)).squeeze(1)


def graph_network() -> Training:
    """A batch is one object with `to`, which cannot be split."""

    def loader() -> DataLoader[Any]:
        return DataLoader(Rings(), 8, shuffle=True, collate_fn=one_graph)

    def model(net: nn.Module, graphs: Graphs) -> Tensor:
        return net(graphs)

    return Training(
        "graph-network",
        lambda: plain_loop(GraphNet, adam, loader(), lambda net, graphs: F.mse_loss(net(graphs), graphs.y)),
        lambda: Task(
            name="graph-network",
            data=Data(train=loader(), valid=Rings(), collate=one_graph),
            model=GraphNet,
            predict=model,
            loss="mse",
            metric="mse",
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


class Factors(nn.Module):
    """Embeddings of users and items with sparse gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(50, 8, sparse=True), nn.Embedding(70, 8, sparse=True)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return a rating per pair."""
        return (self.user(user) * self.item(item)).sum(1)


def recommender(name: str, optimizer: Any) -> Training:
    """Return the training of a recommender with an optimizer that takes sparse gradients."""
    ratings = TensorDataset(whole_numbers(50, 200), whole_numbers(70, 200, seed=2), normal(200, seed=3))

    def loader() -> DataLoader[Any]:
        return DataLoader(ratings, 32, shuffle=True)

    def loss(net: nn.Module, batch: list[Tensor]) -> Tensor:
        user, item, rating = batch
        return F.mse_loss(net(user, item), rating)

    return Training(
        name,
        lambda: plain_loop(Factors, optimizer, loader(), loss),
        lambda: Task(
            name=name,
            data=Data(train=loader(), valid=ratings),
            model=Factors,
            loss=nn.MSELoss(),
            metric="mae",
            update=Update(optimizer=optimizer),
            stop=STOP,
        ),
    )


TRAININGS = (
    contrastive(),
    graph_network(),
    recommender("recommender-sparse-adam", lambda net: optim.SparseAdam(net.parameters(), lr=1e-2)),
    recommender("recommender-sgd", lambda net: optim.SGD(net.parameters(), lr=0.5)),
)
