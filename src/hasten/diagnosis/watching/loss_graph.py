"""The graph that autograd recorded behind a loss: its nodes, and the leaves that it reaches.

It is the same for functions, modules and trainers, and so tells of any training which loss it uses and of what.
Inside compiled code it is one node.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor


def nodes(losses: Sequence[Tensor]) -> Iterator[tuple[Any, int]]:
    """Yield the nodes behind losses, nearest first, each once with its distance. Cost: about 1 us a node."""
    waiting = deque((loss.grad_fn, 0) for loss in losses if loss.grad_fn is not None)
    seen = {node for node, _ in waiting}
    while waiting:
        node, distance = waiting.popleft()
        yield node, distance
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append((following, distance + 1))


def leaves(losses: Sequence[Tensor]) -> list[Tensor]:
    """Return the leaves that a backward pass from losses would add gradients to."""
    found = [node.variable for node, _ in nodes(losses) if hasattr(node, "variable")]
    return found + [loss for loss in losses if loss.grad_fn is None and loss.requires_grad]
