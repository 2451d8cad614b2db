"""Linear regression on four points by plain gradient descent: the smallest training there is.

The gradient of the mean squared error (1/n) |x theta - y|^2 is (2/n) x^T (x theta - y). With x = 1, 2, 3, 4 its
curvature is (2/4) (1 + 4 + 9 + 16) = 15, so a step of rate 0.1 takes the error from e to (1 - 0.1 x 15) e = -e / 2:
theta jumps from side to side of 1 and comes twice as near each time.
"""

import torch
from torch import nn
from torch.utils.data import TensorDataset

from hasten.training.task import Data, Stop, Task, Update


def model() -> nn.Module:
    """Return x theta without a bias, theta = 0."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def task(*, lr: float = 0.1, iterations: int = 100) -> Task:
    """Return the task: y = theta x from four points, all of them in every step; theta arrives at 1.

    There is no other data to validate on, so the metric is over the same four points.

    Args:
        lr: learning rate; descent diverges from 2 / 15 on.
        iterations: updates to make.
    """
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    points = TensorDataset(x, x.clone())
    return Task(
        name="linear",
        data=Data(train=points, valid=points),
        model=model,
        loss="mse",
        metric="mse",
        update=Update(optimizer="sgd", lr=lr),
        batch_size=None,
        stop=Stop(steps=iterations, evaluate_every=10),
    )
