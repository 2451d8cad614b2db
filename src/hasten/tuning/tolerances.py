"""Every threshold that decides in this room, in one place, with where it comes from."""

import math

# EXACT: the same bits.
EXACT_STEPS = 20

# ROUNDING: error against float64, as multiples of the baseline's own. Source: torch._dynamo.utils.same, which takes 2
# for float32 and 3 to 10 below 1000 elements, where an RMSE is itself a guess from few numbers, plus a tenth of a
# tolerance of 1e-4. The floor is that tenth: plain sums over 1e5 terms, as batch norm has them in channels-last layout,
# reach 1e-5 where the default layout, summed in pieces, has 1e-6. TF32 and bfloat16 are off by 3e-4 and more.
ROUNDING_FACTORS = ((1000, 2.0), (100, 3.0), (0, 5.0))
"""(least elements, factor), largest first."""
ROUNDING_FLOOR = 1e-5
"""Of the tensor's own size (root mean square)."""
ROUNDING_FLOOR_OF_ALL = 1e-8
"""Of the size of all tensors together: for those whose exact value is zero, as a bias before a batch norm."""
ROUNDING_BATCHES = 3
ROUNDING_STEPS = 8
"""One after another, which show updates that are left out in some steps."""
TRAINED_STEPS = 20
"""Updates between the first state that a gate looks at and the second."""

# PRECISION: gradient errors along a branch of the baseline, relative to the gradient with its minibatch noise. With the
# best learning rate, a step lowers the loss by |G|^4 / (2 (G'HG + tr(H Sigma) / B)) (McCandlish et al., 2018,
# arXiv:1812.06162): an error of share s makes the denominator larger, and the step worse, by s^2. So 0.2 costs at most
# 4 % more steps, whether the gradient is mostly signal or mostly noise. A layer may have 25 % more variance.
PRECISION_BATCHES = 16
ERROR_SHARE = 0.2
ERROR_OF_A_LAYER = 0.5
PROGRESS_LOST = 0.05
"""Of the mean gradient: what a mean error may add or take along it. A bias b with |b| <= m |gradient| leaves the limit
of gradient descent unchanged and slows it by the factor 1 - m (Ajalloeian and Stich, 2020, arXiv:2008.00051)."""
LEAST_LAYER = 1e-2
"""Of the gradient of the model: what a layer's gradient counts as at least, where the exact one is zero."""
SETTLING_STEPS = 12
"""Updates in which a loss scale finds its size, one halving each."""
SHARES_ERROR = 1e-4
"""Of a tensor of the gradient: by how much that of several processes may differ from one process's. Other orders of
addition differ by 1e-6 in float32; a mean of means, or a share that is left out, by 1e-2 and more."""
BRANCH_STEPS = 48
TWINS = 3
"""Further branches of the baseline, where the candidate's is worse: the fewest with a useful standard deviation."""
DISPLACEMENT_ERROR = 0.2
"""Of the way that the baseline moves all weights in a branch: how much of it may be missing or too much. Measured for
bfloat16 autocast: at most 0.05 over the model and 0.2 in a layer, except where small differences grow fast."""
DISPLACEMENT_ERROR_OF_A_LAYER = 0.5
BRANCH_MARGIN = 0.1
"""Of the batch-to-batch standard deviation of the loss: how much worse the branch may end."""
BRANCH_LAG = 0.02
"""Of the branch's steps: how far the candidate may lag behind, where the loss falls steadily."""
LEAST_LOSS = 1e-4
"""Of the loss: what may differ in any case, where there is no noise to compare with."""

# TRAJECTORY and MODEL: branches from several points of a training, before whole trainings.
LAG = 0.02
"""Of the steps of a branch: how far a candidate may lag behind beyond what the speed of its steps makes up for."""
LEAST_LOSS_SHARE = 2e-3
"""Of the held-out loss: what may differ in any case."""
LAG_LEVEL = 1 - 0.05 / 3
"""One-sided, at each of three looks: a candidate that does not lag is refused in at most 5 % (Bonferroni)."""

HUGE = 1e300
"""What stands for infinity and NaN in a record: records go to JSON, which has neither."""


def bounded(value: float) -> float:
    """Return the number, or `HUGE` where it is infinite or NaN."""
    return value if math.isfinite(value) else HUGE


def rounding_factor(elements: int) -> float:
    """Return how many times the baseline's error a tensor of so many elements may have."""
    return next(factor for least, factor in ROUNDING_FACTORS if elements >= least)
