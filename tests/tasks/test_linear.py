import pytest
import torch

from hasten.base.records.run import Evaluation, Finished, StopReason
from hasten.tasks.linear import task
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.session import Session


@pytest.fixture
def session() -> Session:
    return build(baseline(task()))


def test_theta_starts_at_zero_and_arrives_at_one_within_a_millionth(session: Session) -> None:
    assert session.model.weight.item() == 0
    *_, last = train(session)
    assert isinstance(last, Finished)
    assert (last.reason, last.step) == (StopReason.STEPS, 100)
    assert abs(session.model.weight.item() - 1) < 1e-6


@pytest.mark.parametrize("iterations", [1, 2, 5, 20])
def test_each_step_is_that_of_the_gradient_written_by_hand(iterations: int) -> None:
    x, y = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    theta = torch.zeros(1)
    for _ in range(iterations):
        theta = theta - 0.1 * (2 / 4) * x.T @ (x @ theta - y)
    session = build(baseline(task(iterations=iterations)))
    assert list(train(session))[-1].step == iterations
    torch.testing.assert_close(session.model.weight.detach()[0], theta, rtol=1e-6, atol=1e-6)


def test_a_rate_beyond_the_limit_diverges() -> None:
    evaluations = [event for event in train(build(baseline(task(lr=0.14)))) if isinstance(event, Evaluation)]
    assert evaluations[-1].metric > evaluations[0].metric
