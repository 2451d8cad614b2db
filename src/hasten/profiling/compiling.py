"""Whether torch.compile is used, and how often it has recompiled."""

import sys


def compiled_graphs() -> int:
    """Return how many graphs torch.compile has compiled in this process so far.

    The counter is private to torch (`torch._dynamo.utils.counters`), and there is no public one; a test pins it.
    """
    dynamo = sys.modules.get("torch._dynamo.utils")
    return int(dynamo.counters["stats"]["unique_graphs"]) if dynamo is not None else 0
