import pytest
import torch
from torch import Tensor

from hasten.profiling.compiling import compiled_graphs


@pytest.mark.slow
def test_graphs_are_counted_as_they_are_compiled() -> None:
    torch.compiler.reset()

    @torch.compile(backend="eager", dynamic=False)
    def doubled(x: Tensor) -> Tensor:
        return 2 * x

    before = compiled_graphs()
    doubled(torch.ones(3))
    doubled(torch.ones(3))
    assert compiled_graphs() == before + 1
    doubled(torch.ones(4))  # another shape, and shapes are fixed
    assert compiled_graphs() == before + 2
    torch.compiler.reset()
