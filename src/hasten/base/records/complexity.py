"""What a training step costs by counting: operations, bytes moved and activations, layer by layer."""

from hasten.base.records.record import Record


class LayerCost(Record, frozen=True):
    """What one module does itself in one step; its children have rows of their own, so rows add up to the total."""

    name: str  # dotted, as in `named_modules`; "" is the model itself
    kind: str  # the module's class
    parameters: int  # its own; a shared one counts at its first owner
    flops_forward: int
    flops_backward: int  # recomputation included
    bytes_forward: int
    bytes_backward: int
    activation_bytes: int  # kept for the backward pass


class Complexity(Record, frozen=True):
    """What a step costs, layer by layer in the order of the model; the last row may be what ran outside the model."""

    layers: tuple[LayerCost, ...]
    uncounted: tuple[str, ...]  # operators that ran and may be expensive, but have no FLOP formula

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def flops_forward(self) -> int:
        """Operations of the forward pass."""
        return sum(layer.flops_forward for layer in self.layers)

    @property
    def flops_backward(self) -> int:
        """Operations of the backward pass."""
        return sum(layer.flops_backward for layer in self.layers)

    @property
    def flops(self) -> int:
        """Operations of forward and backward pass."""
        return self.flops_forward + self.flops_backward

    @property
    def bytes_moved(self) -> int:
        """Bytes that the operators of forward and backward pass read and write."""
        return sum(layer.bytes_forward + layer.bytes_backward for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Bytes kept for the backward pass."""
        return sum(layer.activation_bytes for layer in self.layers)
