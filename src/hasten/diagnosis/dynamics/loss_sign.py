"""D28: the loss, or the update, has the wrong sign: training makes the model worse.

Signal: medians of the losses in 20 blocks, and the loss function of torch behind them; gradients of outputs; what the
    updates of a loop without an optimizer go along their gradients; the weights that a policy gradient gives to
    log-probabilities of actions, beside the rewards, returns or advantages that the program holds; the direction in
    which it changes the entropy; whether an actor raises or lowers a value that is fit to targets made of rewards;
    the signs of v and exp(v) in the divergence of a variational autoencoder.
Threshold: a loss of one's own, made of products of outputs and a mask of 0 and 1, of which a step down moves the
    outputs away from the mask (correlation below -0.5 in 2 of 2); or below 0 by three times the size of the first
    losses, with one loss function to the end; or updates by hand that go up; 60 steps, one optimizer. Of a policy
    gradient: weights are minus what is named a reward (correlation below -0.99), in 3 passes and all, and nothing is
    named a cost.
Why: a minus sign before the loss makes every step worsen the model.
Example: `(-loss).backward()` with `F.cross_entropy`; `loss = dice(outputs, masks)` without `1 -`;
    `loss = (log_probs * returns).sum()`; `actor_loss = critic(state, actor(state)).mean()`.
Wrong when: a further term of the loss is negative without bound, as a log-likelihood of densities is.
Source: definition of the loss functions; DeepCrime's operators on losses (Humbatova et al. 2021).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import STEPS, abstain, course, known, single
from hasten.diagnosis.rule import Outcome

_BELOW = 3.0
_PASSES, _LIKE = 3, 0.99  # of a policy gradient, and how its weights are like rewards
_FEWEST, _AWAY = 2, -0.5  # losses of one's own that were looked at, and their direction


def find(health: Health) -> Outcome:
    """Fire where a loss that is never negative falls without bound."""
    wrong = _of_actions(health) or _of_critic(health) or _of_latent(health)
    if wrong is not None:
        return wrong
    directions = () if health.data is None else health.data.directions
    if len(directions) >= _FEWEST and max(directions) < _AWAY:
        return _finding(
            health,
            f"A step moves the outputs away from their targets (correlation {digits3(max(directions))}): "
            "the loss has the wrong sign.",
            max(directions),
            _AWAY,
            "loss = 1 - overlap  # a score that shall grow is subtracted",
        )
    dynamics = health.dynamics
    missing = abstain("loss_sign", health, samples=1, steps=STEPS)
    if missing is not None or dynamics is None:
        return missing
    if dynamics.criterion is None or not single(dynamics):
        return Abstained(symptom="loss_sign", reason="no loss function of torch was seen, or several optimizers train")
    if _out_of_range(health):
        return Abstained(symptom="loss_sign", reason="the targets are outside of the range of the loss function")
    rates = known(dynamics.rates)
    if rates and max(rates) < 0:
        return _finding(
            health,
            "The loop adds the gradient to the parameters, so that the loss grows.",
            max(rates),
            0.0,
            "w -= rate * w.grad  # the gradient points to where the loss grows",
        )
    if dynamics.criterion.replaced:
        return Abstained(symptom="loss_sign", reason="the loss function changes during the training")
    losses = course(dynamics.losses)
    if losses is None or not losses.last < -_BELOW * abs(losses.first):
        return None
    name = dynamics.criterion.name.removesuffix("Backward0")
    return _finding(
        health,
        f"The loss fell to {digits3(losses.last)}, but {name} cannot be below 0: training maximizes it.",
        losses.last,
        -_BELOW * abs(losses.first),
        "loss.backward()  # without the minus sign",
    )


def _of_actions(health: Health) -> Finding | None:
    """Return that a policy gradient makes actions less likely the more they gain, or the policy certain."""
    policy = None if health.wiring is None else health.wiring.policy
    if policy is None:
        return None
    if len(policy.likeness) >= _PASSES and max(policy.likeness) < -_LIKE and not policy.costs:
        return _finding(
            health,
            f"A step makes actions less likely the larger their `{policy.like}` (correlation "
            f"{digits3(max(policy.likeness))}): the policy loss has the wrong sign.",
            max(policy.likeness),
            -_LIKE,
            "loss = -(log_probs * returns).sum()  # minimized, so that returns grow",
        )
    if policy.entropy_falls >= _PASSES and policy.entropy_falls == policy.passes:
        return _finding(
            health,
            "A step makes the entropy of the policy smaller: the entropy bonus has the wrong sign.",
            policy.entropy_falls,
            _PASSES,
            "loss = policy_loss - 0.01 * entropy.mean()",
        )
    return None


def _of_critic(health: Health) -> Finding | None:
    """Return that an actor lowers the value that a critic learned from rewards."""
    critic = None if health.wiring is None else health.wiring.critic
    if critic is None or critic.lowered < _PASSES or critic.raised or not critic.rewarded or critic.costs:
        return None
    return _finding(
        health,
        f"The actor's step lowers the value that a critic learns from `{critic.like}`: its loss has the wrong sign.",
        critic.lowered,
        _PASSES,
        "actor_loss = -critic(state, actor(state)).mean()",
    )


def _of_latent(health: Health) -> Finding | None:
    """Return that the divergence of latent numbers from their prior falls with their variance, without end."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None or not seen.latent_unbounded:
        return None
    return _finding(
        health,
        "The divergence of the latent numbers has v and exp(v) with one sign: the smaller the variance, the better.",
        1,
        0,
        "divergence = -0.5 * (1 + v - m ** 2 - v.exp()).sum()",
    )


def _out_of_range(health: Health) -> bool:
    """Return whether a cross-entropy gets targets that are no probabilities, with which it may be negative."""
    return any(
        one.kind in ("bce", "bce_logits", "soft_cross_entropy")
        and one.target is not None
        and (one.target.low < 0 or one.target.high > 1)
        for one in (health.data.criteria if health.data is not None else ())
    )


def _finding(health: Health, sentence: str, value: float, threshold: float, advice: str) -> Finding:
    return Finding(
        symptom="loss_sign",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        advice=advice,
        check=health.command,
        explains=(
            "diverging",
            "update_too_large",
            "exploding_gradient",
            "nonfinite",
            "weight_growth",
            "overfit",
            "labels_unfit",
            "targets_shuffled",
            "dead_units",
            "saturated",
            "direction_consistent",
            "loss_spikes",
            "residual_collapsed",
            "positions_unused",
        ),
    )
