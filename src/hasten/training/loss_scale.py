"""Loss scaling: keep small float16 gradients from becoming zero."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class LossScale:
    """A factor on the loss, taken out of the gradients again before anything else sees them.

    It halves when a gradient is not finite (that update is left out) and doubles after `grow_after` good updates. The
    backward pass starts from `value` times its usual start (`Session.share`), so the loss itself keeps its value.

    Source: Micikevicius et al., 2018, arXiv:1710.03740, section 3.2; the numbers are those of torch's GradScaler,
    which we do not use because it wraps the loss and the optimizer's step.
    """

    value: float = 2.0**16
    good: int = 0
    grow_after: int = 2000

    @torch.no_grad()
    def unscale(self, parameters: Sequence[nn.Parameter]) -> bool:
        """Divide the gradients by the scale; return False, and lower the scale, if one of them is not finite."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for gradient in gradients:
            gradient.mul_(1.0 / self.value)
        finite = bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all())
        if not finite:
            self.value, self.good = max(self.value / 2, 1.0), 0
        elif self.good + 1 == self.grow_after:
            self.value, self.good = self.value * 2, 0
        else:
            self.good += 1
        return finite
