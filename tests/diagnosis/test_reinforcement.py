"""Faults of policy gradients, actors and critics: each is named, its right twin is silent, and so is what looks odd."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn, optim
from torch.distributions import Bernoulli, Categorical, Normal
from torch.nn import functional as F

from hasten.base.seeds import seed_all
from hasten.diagnosis.data.counting import counting
from hasten.diagnosis.watching.loss_graph import nodes
from hasten.diagnosis.watching.stack import numbers, variables, words
from hasten.diagnosis.wiring.actions import coefficients, weighed
from hasten.diagnosis.wiring.bootstrapping import next_values, returns_of
from hasten.diagnosis.wiring.cancelled import cancelled
from hasten.diagnosis.wiring.returns import order_of
from hasten.diagnosis.wiring.severed import bootstraps_in_time
from hasten.pipeline.diagnosing import Diagnosing

STATES, GAMMA = 6, 0.9
Loop = Callable[[bool], None]
LOOPS: list[tuple[str, Loop]] = []
RIGHT: list[Callable[[], None]] = []


def names(symptom: str) -> Callable[[Loop], Loop]:
    """Enter a loop that has this fault where its argument is true."""

    def enter(loop: Loop) -> Loop:
        LOOPS.append((symptom, loop))
        return loop

    return enter


def right(loop: Callable[[], None]) -> Callable[[], None]:
    """Enter a loop without a fault that looks as if it had one."""
    RIGHT.append(loop)
    return loop


def found(loop: Callable[[], None]) -> list[str]:
    """Return the symptoms that are named in a loop."""
    seed_all(0)
    with Diagnosing(name="loop") as doctor:
        loop()
    assert doctor.failed == {}
    return [one.symptom for one in doctor.diagnosis().findings]


def net(outputs: int, inputs: int = STATES) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs))


def walk(places: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where walkers come to, what they gain, and whether they are at the end, from where they start anew."""
    following = (places + 2 * actions - 1).clamp(0, STATES - 1)
    ends = following == STATES - 1
    return following, ends.float() + 0.1 * torch.randn(len(places)), ends


def hot(places: Tensor) -> Tensor:
    return F.one_hot(places, STATES).float()


def update(optimizer: optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def episode(policy: nn.Module, length: int = 12) -> tuple[list[Tensor], list[float], list[Tensor]]:
    """Return the log-probabilities, rewards and states of an episode."""
    place = torch.randint(0, 3, (1,))
    log_probs, rewards, states = [], [], []
    for _ in range(length):
        states.append(hot(place)[0])
        actions = Categorical(logits=policy(hot(place)))
        action = actions.sample()
        log_probs.append(actions.log_prob(action))
        place, reward, _ = walk(place, action)
        rewards.append(reward.item())
    return log_probs, rewards, states


def returns_to_go(rewards: Sequence[float]) -> Tensor:
    found, total = list[float](), 0.0
    for reward in reversed(rewards):
        total = reward + GAMMA * total
        found.insert(0, total)
    return torch.tensor(found)


@names("loss_sign")
def a_policy_that_avoids_returns(faulty: bool) -> None:
    policy = net(2)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(30):
        log_probs, rewards, _ = episode(policy)
        returns = returns_to_go(rewards)
        loss = (torch.cat(log_probs) * (returns - returns.mean())).sum()
        update(optimizer, loss if faulty else -loss)


@names("loss_sign")
def a_gaussian_policy_that_avoids_rewards(faulty: bool) -> None:
    policy = net(2, 3)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(30):
        states = torch.randn(32, 3)
        actions = Normal(policy(states), 0.5)
        taken = actions.sample()
        rewards = -(taken - states[:, :2]).square().sum(1)
        gained = (actions.log_prob(taken).sum(1) * (rewards - rewards.mean())).mean()
        update(optimizer, gained if faulty else -gained)


@names("loss_sign")
def an_entropy_that_is_added(faulty: bool) -> None:
    policy = net(3, 4)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(30):
        states = torch.randn(32, 4)
        actions = Categorical(logits=policy(states))
        taken = actions.sample()
        rewards = (taken == states[:, :3].argmax(1)).float()
        bonus = 0.01 * actions.entropy().mean()
        loss = -(actions.log_prob(taken) * (rewards - rewards.mean())).mean()
        update(optimizer, loss + bonus if faulty else loss - bonus)


def actor_and_critic(sign: float, *, minimizes: bool = False) -> None:
    """Train an actor by a critic that is fit to what actions gain, or cost."""
    actor, critic = net(1, 2), net(1, 3)
    of_actor, of_critic = optim.Adam(actor.parameters(), 1e-2), optim.Adam(critic.parameters(), 1e-2)
    for _ in range(40):
        states = torch.randn(32, 2)
        actions = actor(states).detach() + 0.3 * torch.randn(32, 1)
        outcome = -(actions - states[:, :1]).square()
        if minimizes:
            cost_of_action = -outcome
            memory = {"reward": cost_of_action}  # where the memory of a library has one name for both
            update(of_critic, F.mse_loss(critic(torch.cat([states, actions], 1)), memory["reward"]))
        else:
            reward = outcome
            update(of_critic, F.mse_loss(critic(torch.cat([states, actions], 1)), reward))
        update(of_actor, sign * critic(torch.cat([states, actor(states)], 1)).mean())


@names("loss_sign")
def an_actor_that_lowers_what_its_critic_learned(faulty: bool) -> None:
    actor_and_critic(1.0 if faulty else -1.0)


@names("double_softmax")
def a_distribution_of_probabilities_as_logits(faulty: bool) -> None:
    policy = net(3, 4)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(30):
        states = torch.randn(32, 4)
        scores = policy(states)
        actions = Categorical(logits=scores.softmax(-1)) if faulty else Categorical(probs=scores.softmax(-1))
        taken = actions.sample()
        rewards = (taken == states[:, :3].argmax(1)).float()
        update(optimizer, -(actions.log_prob(taken) * (rewards - rewards.mean())).mean())


def proximal(old: str, epochs: int = 4) -> None:
    """Train by PPO, with old log-probabilities that are "stored", "computed" in each epoch, or "attached"."""
    policy = net(3, 4)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(8):
        states = torch.randn(64, 4)
        with torch.no_grad():
            taken = Categorical(logits=policy(states)).sample()
            stored = Categorical(logits=policy(states)).log_prob(taken)
        advantages = (taken == states[:, :3].argmax(1)).float() + 0.3 * torch.randn(64)
        advantages = advantages - advantages.mean()
        for _ in range(epochs):
            now = Categorical(logits=policy(states)).log_prob(taken)
            before = {"stored": stored, "computed": now.detach(), "attached": now}[old]
            ratio = torch.exp(now - before)
            clipped = ratio.clamp(0.8, 1.2) * advantages
            update(optimizer, -torch.min(ratio * advantages, clipped).mean() - 0.001 * now.mean())


@names("ratio_always_one")
def old_probabilities_that_are_computed_in_every_epoch(faulty: bool) -> None:
    proximal("computed" if faulty else "stored")


@names("ratio_always_one")
def old_probabilities_with_a_gradient(faulty: bool) -> None:
    proximal("attached" if faulty else "stored")


@names("returns_misordered")
def returns_that_are_appended_in_reverse(faulty: bool) -> None:
    policy = net(2)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(20):
        log_probs, rewards, _ = episode(policy)
        returns = returns_to_go(rewards)
        returns = returns.flip(0) if faulty else returns
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        update(
            optimizer, torch.cat([-log_prob * value for log_prob, value in zip(log_probs, returns, strict=True)]).sum()
        )


@names("returns_misordered")
def rewards_that_are_added_up_from_the_first(faulty: bool) -> None:
    policy = net(2)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(20):
        log_probs, rewards, _ = episode(policy)
        sums = returns_to_go(rewards[::-1]).flip(0) if faulty else returns_to_go(rewards)
        update(optimizer, -(torch.cat(log_probs) * sums).sum())


@names("weights_cancel")
def returns_that_meet_the_mean_of_log_probabilities(faulty: bool) -> None:
    policy = net(2)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(20):
        log_probs, rewards, _ = episode(policy)
        returns = returns_to_go(rewards)
        listed = torch.cat(log_probs)
        update(optimizer, -((listed.mean() if faulty else listed) * returns).sum())


@names("weights_cancel")
def weights_of_samples_after_the_mean(faulty: bool) -> None:
    model = net(3, 4)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(20):
        inputs = torch.randn(32, 4)
        weights = torch.rand(32)
        losses = F.cross_entropy(model(inputs), inputs[:, :3].argmax(1), reduction="mean" if faulty else "none")
        update(optimizer, (losses * weights).mean())


@names("target_not_detached")
def an_advantage_with_a_gradient(faulty: bool) -> None:
    body, policy, value = net(16), nn.Linear(16, 2), nn.Linear(16, 1)
    optimizer = optim.Adam([*body.parameters(), *policy.parameters(), *value.parameters()], 1e-2)
    for _ in range(20):
        places = torch.randint(0, STATES - 1, (32,))
        features = body(hot(places)).relu()
        actions, guess = Categorical(logits=policy(features)), value(features).squeeze(1)
        taken = actions.sample()
        gained = walk(places, taken)[1]
        advantage = gained - (guess if faulty else guess.detach())
        update(optimizer, -(actions.log_prob(taken) * advantage).mean() + F.mse_loss(guess, gained))


@names("target_not_detached")
def an_advantage_that_is_squared(faulty: bool) -> None:
    policy, value = net(2), net(1)
    of_policy, of_value = optim.Adam(policy.parameters(), 1e-2), optim.Adam(value.parameters(), 1e-2)
    for _ in range(20):
        places, states, gains, log_probs = torch.randint(0, 3, (8,)), [], [], []
        for _ in range(6):
            states.append(hot(places))
            actions = Categorical(logits=policy(hot(places)))
            taken = actions.sample()
            log_probs.append(actions.log_prob(taken))
            places, gained, _ = walk(places, taken)
            gains.append(gained)
        values = value(torch.stack([*states, hot(places)])).squeeze(-1)
        rewards = torch.stack(gains)
        advantages = rewards + GAMMA * values[1:] - values[:-1]
        if not faulty:
            advantages = (rewards + GAMMA * values[1:]).detach() - values[:-1]
        update(of_value, advantages.square().mean() if faulty else advantages.pow(2).mean())
        update(of_policy, -(torch.stack(log_probs) * advantages.detach()).mean())


def q_learning(form: str, *, ends: str = "done") -> None:
    """Train a Q network on a memory of steps, with targets of a form."""
    q = net(2)
    slow = deepcopy(q)
    optimizer = optim.Adam(q.parameters(), 1e-2)
    places = torch.randint(0, STATES - 1, (2000,))
    actions = torch.randint(0, 2, (2000,))
    following, rewards, over = walk(places, actions)
    for step in range(60):
        at = torch.randint(0, 2000, (64,))
        state, action, reward, next_state = hot(places[at]), actions[at], rewards[at], hot(following[at])
        batch = {ends: over[at].float()}
        done = batch[ends]
        with torch.no_grad():
            if form == "double":
                best = slow(next_state).gather(1, q(next_state).argmax(1, keepdim=True)).squeeze(1)
            else:
                best = slow(next_state).max(1).values
            if form == "zeroed":
                best[done.bool()] = 0.0
            target = reward + GAMMA * best * (1 - done if form == "masked" else 1)
        if ends != "done":
            del done
        update(optimizer, F.smooth_l1_loss(q(state).gather(1, action[:, None]).squeeze(1), target))
        if step % 10 == 9:
            slow.load_state_dict(q.state_dict())


@names("terminal_bootstrapped")
def a_target_beyond_the_end(faulty: bool) -> None:
    q_learning("plain" if faulty else "masked")


@names("terminal_bootstrapped")
def a_double_target_beyond_the_end(faulty: bool) -> None:
    q_learning("double" if faulty else "zeroed")


@names("terminal_bootstrapped")
def a_target_of_short_names(faulty: bool) -> None:
    q = net(2)
    optimizer = optim.Adam(q.parameters(), 1e-2)
    for _ in range(40):
        bs, bs2 = hot(torch.randint(0, STATES, (32,))), hot(torch.randint(0, STATES, (32,)))
        br, bd = torch.rand(32), (torch.rand(32) < 0.2).float()
        with torch.no_grad():
            target = br + GAMMA * q(bs2).max(1).values * (1 if faulty else 1 - bd)
        update(optimizer, F.mse_loss(q(bs)[:, 0], target))


@names("schedule_wrong")
def a_function_that_returns_learning_rates(faulty: bool) -> None:
    model = net(3, 4)
    optimizer = optim.SGD(model.parameters(), 0.05)
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda step: (0.05 if faulty else 1.0) * 0.9**step)
    for _ in range(20):
        inputs = torch.randn(32, 4)
        update(optimizer, F.cross_entropy(model(inputs), inputs[:, :3].argmax(1)))
        scheduler.step()


@pytest.mark.parametrize(("symptom", "loop"), LOOPS, ids=[loop.__name__ for _, loop in LOOPS])
def test_a_fault_is_named_first_and_its_right_twin_is_silent(symptom: str, loop: Loop) -> None:
    assert found(lambda: loop(True))[:1] == [symptom]
    assert found(lambda: loop(False)) == []


# --- what must not be said ----------------------------------------------------------------------------------------


@right
def costs_that_are_minimized() -> None:
    policy = net(3, 4)
    optimizer = optim.Adam(policy.parameters(), 1e-2)
    for _ in range(30):
        states = torch.randn(32, 4)
        actions = Categorical(logits=policy(states))
        taken = actions.sample()
        costs = (taken != states[:, :3].argmax(1)).float()
        returns = costs - costs.mean()
        update(optimizer, (actions.log_prob(taken) * returns).mean())


@right
def a_critic_of_costs() -> None:
    actor_and_critic(1.0, minimizes=True)


@right
def a_ratio_that_is_one_by_construction() -> None:
    proximal("computed", epochs=1)


@right
def an_advantage_with_a_gradient_that_is_cleared() -> None:
    policy, value = net(2), net(1)
    of_policy, of_value = optim.Adam(policy.parameters(), 1e-2), optim.Adam(value.parameters(), 1e-2)
    for _ in range(20):
        places = torch.randint(0, STATES - 1, (32,))
        actions = Categorical(logits=policy(hot(places)))
        taken = actions.sample()
        rewards = walk(places, taken)[1]
        update(of_policy, -(actions.log_prob(taken) * (rewards - value(hot(places)).squeeze(1))).mean())
        update(of_value, F.mse_loss(value(hot(places)).squeeze(1), rewards))


@right
def ends_by_a_limit_of_time() -> None:
    q_learning("plain", ends="time_limit_dones")


@right
def values_of_an_earlier_policy_in_returns() -> None:
    policy, value = net(2), net(1)
    optimizer = optim.Adam([*policy.parameters(), *value.parameters()], 1e-2)
    for _ in range(20):
        places = torch.randint(0, STATES - 1, (32,))
        states = hot(places)
        with torch.no_grad():
            taken = Categorical(logits=policy(states)).sample()
            following, rewards, over = walk(places, taken)
            done, before = over.float(), value(states).squeeze(1)
            advantages = rewards + GAMMA * value(hot(following)).squeeze(1) * (1 - done) - before
            returns, r = advantages + before, advantages
        for _ in range(2):
            log_probs = Categorical(logits=policy(states)).log_prob(taken)
            fit = F.mse_loss(value(states).squeeze(1), returns)
            update(optimizer, fit - (log_probs * advantages).mean() + 0 * r.sum())


@right
def a_memory_without_steps_that_end() -> None:
    q = net(2)
    optimizer = optim.Adam(q.parameters(), 1e-2)
    for _ in range(40):
        state, next_state = hot(torch.randint(0, STATES, (32,))), hot(torch.randint(0, STATES, (32,)))
        reward, done = torch.rand(32), torch.zeros(32)
        d = (torch.rand(32) < 0.5).float()  # whether it is day
        with torch.no_grad():
            target = reward + GAMMA * q(next_state).max(1).values * (1 - done)
        update(optimizer, F.mse_loss(q(state)[:, 0] + 0 * d, target))


@right
def actions_with_the_short_name_of_ends() -> None:
    q = net(2)
    optimizer = optim.Adam(q.parameters(), 1e-2)
    for _ in range(40):
        state, next_state = hot(torch.randint(0, STATES, (32,))), hot(torch.randint(0, STATES, (32,)))
        reward, d = torch.rand(32), torch.randint(0, 2, (32,))
        with torch.no_grad():
            target = reward + GAMMA * q(next_state).max(1).values
        update(optimizer, F.mse_loss(q(state).gather(1, d[:, None]).squeeze(1), target))


@right
def a_soft_actor() -> None:
    actor, critics = net(2, 2), [net(1, 3), net(1, 3)]
    slow = deepcopy(critics)
    of_actor = optim.Adam(actor.parameters(), 3e-3)
    of_critics = optim.Adam([each for one in critics for each in one.parameters()], 3e-3)
    for _ in range(30):
        states = torch.randn(64, 2)
        mean, spread = actor(states).chunk(2, 1)
        actions = Normal(mean, spread.clamp(-2, 1).exp())
        taken = actions.rsample()
        reward = -(taken - states[:, :1]).square().detach()
        following, done = torch.randn(64, 2), (torch.rand(64, 1) < 0.1).float()
        with torch.no_grad():
            least = torch.min(*(one(torch.cat([following, actor(following)[:, :1]], 1)) for one in slow))
            target = reward + GAMMA * (1 - done) * least
        given = torch.cat([states, taken.detach()], 1)
        update(of_critics, F.mse_loss(critics[0](given), target) + F.mse_loss(critics[1](given), target))
        least = torch.min(*(one(torch.cat([states, taken], 1)) for one in critics))
        update(of_actor, (0.1 * actions.log_prob(taken) - least).mean())
        with torch.no_grad():
            for one, other in zip(slow, critics, strict=True):
                for kept, moved in zip(one.parameters(), other.parameters(), strict=True):
                    kept.lerp_(moved, 0.05)


@right
def a_generator_that_raises_what_its_critic_says() -> None:
    generator, critic = net(2, 2), net(1, 2)
    of_generator, of_critic = optim.Adam(generator.parameters(), 1e-3), optim.Adam(critic.parameters(), 1e-3)
    for _ in range(30):
        real, noise = torch.randn(32, 2) + 1, torch.randn(32, 2)
        update(of_critic, critic(generator(noise).detach()).mean() - critic(real).mean())
        update(of_generator, -critic(generator(noise)).mean())


@right
def samples_that_weigh_differently() -> None:
    model = net(3, 4)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(30):
        inputs = torch.randn(32, 4)
        rewards = torch.rand(32)  # of the shown items, by which clicks are weighed
        log_probs = F.log_softmax(model(inputs), 1)[torch.arange(32), inputs[:, :3].argmax(1)]
        update(optimizer, -(log_probs * rewards).mean())


@right
def masked_samples_with_huge_inputs() -> None:
    model = net(1, 4)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(30):
        inputs = torch.randn(64, 4)
        counts = (torch.rand(64) < 0.8).float()
        inputs[counts == 0] *= 500
        losses = (model(inputs).squeeze(1) - inputs[:, 0] * counts).square()
        update(optimizer, (losses * counts).sum() / counts.sum())


@pytest.mark.parametrize("loop", RIGHT, ids=[loop.__name__ for loop in RIGHT])
def test_what_is_right_is_silent(loop: Callable[[], None]) -> None:
    assert found(loop) == []


# --- pieces -------------------------------------------------------------------------------------------------------


def discounted(rewards: Tensor, gamma: float) -> Tensor:
    total, found = torch.zeros(()).double(), []
    for reward in rewards.flip(0):
        total = reward + gamma * total
        found.append(total)
    return torch.stack(found[::-1])


@given(
    st.lists(st.floats(-3, 3), min_size=9, max_size=30).filter(lambda one: len({round(each, 1) for each in one}) > 4),
    st.floats(0.3, 1.0),
    st.floats(0.1, 5.0),
    st.floats(-2, 2),
)
def test_the_order_of_returns_is_known_whatever_their_scale(
    given_rewards: list[float], gamma: float, scale: float, shift: float
) -> None:
    rewards = torch.tensor(given_rewards, dtype=torch.float64)
    returns = scale * discounted(rewards, gamma) + shift
    assert order_of(returns, rewards) in ("backward", "")  # what is its own mirror image has no order
    assert order_of(returns.flip(0), rewards) in ("reversed", "")
    forward = scale * discounted(rewards.flip(0), gamma).flip(0) + shift
    assert order_of(forward, rewards) in ("forward", "")


@pytest.mark.parametrize("gamma", [0.9, 0.99, 1.0])
def test_a_reward_of_one_for_each_step_tells_the_order(gamma: float) -> None:
    rewards = torch.ones(12).double()
    returns = discounted(rewards, gamma)
    assert order_of(returns, rewards) == "backward"
    assert order_of(returns.flip(0), rewards) == "forward"
    assert order_of(gamma ** torch.arange(12).double() * returns, rewards) != "forward"


def test_a_single_reward_at_the_end_tells_the_order() -> None:
    rewards = torch.zeros(12).double()
    rewards[-1] = 1
    returns = discounted(rewards, 0.9)
    assert order_of(returns, rewards) == "backward"
    assert order_of(returns.flip(0), rewards) == "reversed"


LAYER, INPUTS, TAKEN = nn.Linear(3, 4), torch.randn(5, 3), torch.tensor([0, 3, 1, 2, 0])


@pytest.mark.parametrize(
    "log_probs",
    [
        lambda: Categorical(logits=LAYER(INPUTS)).log_prob(TAKEN),
        lambda: Categorical(probs=LAYER(INPUTS).softmax(-1)).log_prob(TAKEN),
        lambda: F.log_softmax(LAYER(INPUTS), 1).gather(1, TAKEN[:, None]).squeeze(1),
        lambda: F.log_softmax(LAYER(INPUTS), 1)[torch.arange(5), TAKEN],
        lambda: LAYER(INPUTS).softmax(1).gather(1, TAKEN[:, None]).squeeze(1).log(),
        lambda: -F.cross_entropy(LAYER(INPUTS), TAKEN, reduction="none"),
        lambda: torch.stack([Categorical(logits=LAYER(INPUTS[i])).log_prob(TAKEN[i]) for i in range(5)]),
        lambda: torch.stack([torch.log(LAYER(INPUTS[i]).softmax(0)[TAKEN[i]]) for i in range(5)]),
        lambda: Bernoulli(logits=LAYER(INPUTS)[:, 0]).log_prob((TAKEN > 1).float()),
    ],
)
def test_the_weights_of_log_probabilities_are_read_from_any_form(log_probs: Callable[[], Tensor]) -> None:
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.1])
    loss = -(log_probs() * weights).sum()
    read = coefficients([loss], weighed([loss]).picked)
    assert read is not None
    torch.testing.assert_close(read.float(), weights)


def test_the_weights_of_a_gaussian_are_one_per_action() -> None:
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.1])
    actions = Normal(LAYER(INPUTS), torch.full((4,), 0.3))
    loss = -(actions.log_prob(actions.sample()).sum(1) * weights).sum()
    read = coefficients([loss], weighed([loss]).picked)
    assert read is not None
    torch.testing.assert_close(read.float(), weights)


@pytest.mark.parametrize(
    ("form", "count"),
    [
        (lambda out, w: (out.mean() * w).sum(), 5),
        (lambda out, w: (-out.sum() * w).mean(), 5),
        (lambda out, w: (F.mse_loss(out, torch.zeros(5)) * w).mean(), 5),
        (lambda out, w: (out * w).mean(), 0),
        (lambda out, w: (out.mean() * torch.ones(5)).sum(), 0),
        (lambda out, w: (out.mean() * torch.rand(7)).sum(), 0),
        (lambda out, w: out.mean() * w.sum(), 0),
    ],
)
def test_weights_cancel_where_a_mean_meets_as_many(form: Callable[[Tensor, Tensor], Tensor], count: int) -> None:
    loss = form(LAYER(INPUTS)[:, 0], torch.rand(5))
    assert cancelled([node for node, _ in nodes([loss])]) == count


def test_all_samples_count_where_some_way_has_no_mask() -> None:
    out, mask = LAYER(INPUTS)[:, 0], torch.tensor([1.0, 0, 1, 1, 0])
    only = counting([(out.square() * mask).sum() / mask.sum()], 5)
    assert only is not None
    assert only.tolist() == [True, False, True, True, False]
    assert counting([(out * mask).sum() + 0.1 * out.square().mean()], 5) is None
    by_hand = -(mask * out.sigmoid().log() + (1 - mask) * (1 - out.sigmoid()).log()).mean()
    both = counting([by_hand], 5)
    assert both is not None
    assert bool(both.all())


def test_a_sum_of_a_value_and_itself_is_no_bootstrapping() -> None:
    out, gained = LAYER(INPUTS)[:, 0], torch.rand(5)
    assert not bootstraps_in_time([node for node, _ in nodes([(gained + GAMMA * out - out).pow(2).mean()])])
    later = gained[1:] + GAMMA * out[1:] - out[:-1]
    assert bootstraps_in_time([node for node, _ in nodes([later.pow(2).mean()])])


def test_a_target_is_taken_apart_only_where_the_discount_is_the_same_in_all() -> None:
    values, rewards = torch.rand(16).double() + 1, torch.rand(16).double()
    ends = (torch.arange(16) % 4 == 0).double()
    whole = returns_of(rewards + GAMMA * values, [torch.rand(16).double(), rewards], [values])
    assert whole is not None
    torch.testing.assert_close(whole, GAMMA * values)
    assert returns_of(rewards + GAMMA * values * (1 - ends), [rewards], [values]) is None
    table = torch.rand(16, 3)
    assert any(torch.equal(one, table.max(1).values.double()) for one in next_values([table], 16))


def test_variables_are_read_with_what_is_inside_and_what_a_function_keeps_of_them_stays() -> None:
    class Memory:
        def __init__(self) -> None:
            self.rewards = [1.0, 2.0, 3.0]

    def inner(memory: Any) -> dict[str, Any]:
        loss = LAYER(INPUTS).sum()
        assert loss.requires_grad
        return dict(variables())

    def with_options(rate: float) -> dict[str, Any]:
        options = locals()
        assert variables()
        return options

    assert with_options(0.1)["rate"] == 0.1
    read = inner(Memory())
    given = numbers(read["rewards"], 3)
    assert given is not None
    assert given.tolist() == [1, 2, 3]
    assert numbers(read["rewards"], 4) is None
    assert words("b_Rewards2go") == {"b", "rewards", "go"}
