"""A plan on the objects of somebody's loop: the same bits, the objects given back, refusals by name."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten.base.errors import BadInput, HastenWarning, Refused
from hasten.base.records.effect import Outcome


class Net(nn.Module):
    """Two convolutions and a linear layer on images of 8 x 8."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(8 * 4 * 4, 5)

    def forward(self, images):
        return self.head(self.dropout(self.features(images).flatten(1)))


def images(samples=40):
    generator = torch.Generator().manual_seed(0)
    return TensorDataset(
        torch.randn(samples, 3, 8, 8, generator=generator), torch.randint(0, 5, (samples,), generator=generator)
    )


def objects(optimizer=torch.optim.AdamW, **options):
    torch.manual_seed(0)
    model = Net()
    return {
        "model": model,
        "optimizer": optimizer(model.parameters(), **{"lr": 1e-2, **options}),
        "loader": DataLoader(images(), batch_size=8, shuffle=True),
        "loss": nn.CrossEntropyLoss(),
    }


def loop(model, optimizer, loader, loss, scheduler=None, epochs=2):
    torch.manual_seed(1)
    losses = []
    for _ in range(epochs):
        for inputs, targets in loader:
            value = loss(model(inputs), targets)
            value.backward()
            optimizer.step()
            optimizer.zero_grad()
            if scheduler is not None:
                scheduler.step()
            losses.append(value.item())
    return losses


def trained(plan, given, epochs=2, **options):
    with hasten.apply(plan, **given, **options) as fast:
        losses = loop(fast.model, fast.optimizer, fast.loader, fast.loss, fast.scheduler, epochs=epochs)
    return losses, fast


def same(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_an_empty_plan_gives_the_very_objects_back():
    given = objects()
    with hasten.apply([], **given) as fast:
        assert fast.model is given["model"]
        assert type(fast.model) is Net
        assert fast.optimizer is given["optimizer"]
        assert fast.loader is given["loader"]
        assert fast.loss is given["loss"]
        assert not fast.model._forward_pre_hooks
        assert not fast.optimizer._optimizer_step_pre_hooks
        assert not fast.optimizer._optimizer_step_post_hooks
    assert str(fast.report()) == "the plan is empty"


@pytest.mark.parametrize(
    "plan", [["batched_gather"], ["prefetch"], ["batched_gather", "prefetch", "malloc_tuning", "nonfinite_guard"]]
)
def test_an_exact_plan_has_the_losses_of_the_loop_bit_for_bit(plan):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HastenWarning)  # malloc_tuning may find no large tensor to keep
        plain, mine = objects(), objects()
        expected = loop(plain["model"], plain["optimizer"], plain["loader"], plain["loss"])
        found, _ = trained(plan, mine)
    assert found == expected
    same(mine["model"], plain["model"])


def test_batches_have_the_type_and_the_values_of_the_loaders_own():
    given = objects()
    with hasten.apply(["batched_gather"], **given) as fast:
        torch.manual_seed(3)
        mine = list(fast.loader)
        torch.manual_seed(3)
        theirs = list(given["loader"])
        assert len(fast.loader) == len(given["loader"])
        assert fast.loader.batch_size == 8
    assert [type(batch) for batch in mine] == [type(batch) for batch in theirs]
    for one, other in zip(mine, theirs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_drop_last_is_kept():
    given = objects() | {"loader": DataLoader(images(), batch_size=16, shuffle=True, drop_last=True)}
    with hasten.apply(["batched_gather"], **given) as fast:
        assert [len(targets) for _, targets in fast.loader] == [16, 16]


def test_leaving_gives_the_plain_model_with_the_trained_weights():
    given = objects()
    before = copy.deepcopy(given["model"])
    names = list(before.state_dict())
    with hasten.apply(["channels_last", "fused_optimizer"], **given) as fast:
        assert isinstance(fast.model, Net)
        assert list(fast.model.state_dict()) == names
        assert fast.model.features[2].weight.is_contiguous(memory_format=torch.channels_last)
        loop(fast.model, fast.optimizer, fast.loader, fast.loss)
    model = given["model"]
    assert fast.plain() is model
    assert type(model) is Net
    assert model.features[2].weight.is_contiguous()
    assert not torch.equal(model.head.weight, before.head.weight)
    assert not given["optimizer"].param_groups[0]["fused"]
    assert {id(one) for one in given["optimizer"].param_groups[0]["params"]} == {id(p) for p in model.parameters()}
    loop(model, given["optimizer"], given["loader"], given["loss"], epochs=1)  # goes on


def test_an_exception_in_the_block_leaves_everything_as_found():
    given = objects()
    threads, functional = torch.get_num_threads(), F.scaled_dot_product_attention
    with pytest.raises(ZeroDivisionError), hasten.apply(["cpu_runtime", "channels_last"], **given) as fast:
        next(iter(fast.loader))
        raise ZeroDivisionError
    assert torch.get_num_threads() == threads
    assert F.scaled_dot_product_attention is functional
    assert given["model"].features[0].weight.is_contiguous()
    assert fast.loader is given["loader"]
    assert not given["optimizer"]._optimizer_step_post_hooks
    assert not given["model"]._forward_pre_hooks


def test_the_fused_optimizer_keeps_groups_state_and_scheduler():
    def made():
        given = objects()
        model = given["model"]
        given["optimizer"] = torch.optim.AdamW(
            [{"params": model.features.parameters(), "weight_decay": 0.0}, {"params": model.head.parameters()}], lr=1e-2
        )
        given["scheduler"] = torch.optim.lr_scheduler.StepLR(given["optimizer"], 3, gamma=0.5)
        loop(model, given["optimizer"], given["loader"], given["loss"], given["scheduler"], epochs=1)
        return given

    plain, mine = made(), made()
    expected = loop(*(plain[key] for key in ("model", "optimizer", "loader", "loss", "scheduler")))
    found, fast = trained(["fused_optimizer"], mine)
    assert found == pytest.approx(expected, rel=1e-4)
    groups = mine["optimizer"].param_groups
    assert [group["weight_decay"] for group in groups] == [0.0, 0.01]
    assert [group["lr"] for group in groups] == [group["lr"] for group in plain["optimizer"].param_groups]
    assert fast.report().of("fused_optimizer").outcome is Outcome.APPLIED


def test_state_has_the_layout_of_the_parameters_within_a_plan_and_after_it():
    def strides(optimizer):
        return [(one.stride(), optimizer.state[one]["exp_avg"].stride()) for one in optimizer.state]

    given = objects(fused=True)
    parts = [given[key] for key in ("model", "optimizer", "loader", "loss")]
    loop(*parts, epochs=1)
    saved = copy.deepcopy(given["optimizer"].state_dict())
    torch.manual_seed(1)
    plain = copy.deepcopy(given["model"])
    beside = torch.optim.AdamW(plain.parameters(), lr=1e-2)
    beside.load_state_dict({**beside.state_dict(), "state": copy.deepcopy(saved["state"])})
    batches = list(given["loader"])
    expected = loop(plain.eval(), beside, batches, given["loss"], epochs=1)
    given["model"].eval()
    with hasten.apply(["channels_last"], **{**given, "loader": batches}) as fast:
        assert all(one == own for one, own in strides(fast.optimizer))
        fast.optimizer.load_state_dict(saved)
        assert all(one == own for one, own in strides(fast.optimizer))
        assert loop(fast.model, fast.optimizer, fast.loader, fast.loss, epochs=1) == pytest.approx(expected, rel=1e-4)
    assert all(one == own for one, own in strides(given["optimizer"]))
    given["optimizer"].load_state_dict(saved)


def test_state_goes_along_to_parameters_that_a_surgery_replaced():
    given = objects()
    model = given["model"] = nn.Sequential(nn.Linear(12, 64), nn.Linear(64, 64), nn.Linear(64, 5))
    optimizer = given["optimizer"] = torch.optim.AdamW(
        [{"params": model[:2].parameters()}, {"params": model[2].parameters(), "lr": 1e-3}], lr=1e-2
    )
    given["loader"] = [(torch.randn(4, 12), torch.randint(0, 5, (4,)))] * 3
    loop(*(given[key] for key in ("model", "optimizer", "loader", "loss")), epochs=1)
    kept = optimizer.state[model[0].weight]["exp_avg"].clone()
    with hasten.apply(["low_rank_linear"], **given) as fast:
        held = [len(group["params"]) for group in fast.optimizer.param_groups]
        assert held == [5, 2]  # the two factors and the bias of the second layer stand in the first group
        assert torch.equal(fast.optimizer.state[model[0].weight]["exp_avg"], kept)
        loop(fast.model, fast.optimizer, fast.loader, fast.loss, epochs=1)
    assert type(model[1]) is nn.Linear
    assert {id(one) for group in optimizer.param_groups for one in group["params"]} == {
        id(one) for one in model.parameters()
    }


def test_another_optimizer_takes_the_scheduler_along():
    given = objects()
    given["scheduler"] = torch.optim.lr_scheduler.StepLR(given["optimizer"], 2, gamma=0.1)
    with (
        hasten.apply(["optimizer_choice"], **given | {"optimizer": given["optimizer"]}) as fast,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        assert fast.optimizer is not given["optimizer"]
        assert fast.scheduler.optimizer is fast.optimizer
        loop(fast.model, fast.optimizer, fast.loader, fast.loss, fast.scheduler, epochs=1)
        assert fast.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.1**2)
    assert given["scheduler"].optimizer is given["optimizer"]


def test_an_optimizer_of_other_tensors_is_refused_with_their_places():
    given = objects()
    other = Net()
    given["optimizer"] = torch.optim.SGD(other.parameters(), lr=0.1)
    with pytest.raises(BadInput, match=r"holds 6 tensors that the model does not have: group 0, parameter 0 \(8, 3"):
        hasten.apply([], **given)
    given["optimizer"] = torch.optim.SGD(given["model"].features.parameters(), lr=0.1)
    with pytest.raises(BadInput, match=r"lacks 2 trainable parameters of the model: head.weight, head.bias"):
        hasten.apply([], **given)


def test_what_needs_lines_in_the_loop_is_listed_and_raised_when_strict():
    with pytest.warns(HastenWarning, match="micro_batch needs lines"):
        fast = hasten.apply(["micro_batch"], **objects())
    assert len(fast.todo) == 1
    assert "inputs.split(2)" in fast.todo[0]
    assert fast.report().of("micro_batch").outcome is Outcome.TODO
    with pytest.raises(Refused, match="micro_batch needs lines"):
        hasten.apply(["micro_batch"], **objects(), strict=True)


def test_a_refusal_is_reported_with_its_reason_and_the_rest_is_applied():
    with pytest.warns(HastenWarning, match="tf32 refused: the run is on cpu"):
        fast = hasten.apply(["tf32", "channels_last"], **objects())
    assert [line.outcome for line in fast.report().lines] == [Outcome.UNSEEN, Outcome.REFUSED]
    with pytest.warns(HastenWarning, match="batch_size refused: it reads `stop` of a task"):
        hasten.apply(["batch_size"], **objects())


def test_gradients_are_clipped_and_an_update_vetoed_from_outside():
    given = objects(torch.optim.SGD)
    with hasten.apply(["clip_norm", "nonfinite_guard"], **given) as fast:
        inputs, targets = next(iter(fast.loader))
        (1e6 * fast.loss(fast.model(inputs), targets)).backward()
        fast.optimizer.step()
        norm = nn.utils.get_total_norm([one.grad for one in fast.model.parameters()])
        assert float(norm) == pytest.approx(1.0, rel=1e-3)
        before = copy.deepcopy(fast.model)
        fast.optimizer.zero_grad()
        (float("nan") * fast.loss(fast.model(inputs), targets)).backward()
        fast.optimizer.step()
        same(fast.model, before)


def test_averaged_weights_can_be_evaluated_and_are_saved():
    given = objects()
    with pytest.warns(HastenWarning, match="averaged"):
        applied = hasten.apply(["ema"], **given)
    with applied as fast:
        loop(fast.model, fast.optimizer, fast.loader, fast.loss)
        weights = fast.model.head.weight.detach().clone()
        with fast.averaged():
            assert not torch.equal(fast.model.head.weight, weights)
        assert torch.equal(fast.model.head.weight, weights)
        assert fast.state_dict()["steps"] == 10


def test_a_schedule_moves_the_rate_and_is_refused_beside_a_scheduler():
    given = objects(torch.optim.SGD)
    rates = []
    with hasten.apply(["schedule"], **given, steps=10) as fast:
        fast.optimizer.register_step_pre_hook(lambda *_: rates.append(fast.optimizer.param_groups[0]["lr"]))
        loop(fast.model, fast.optimizer, fast.loader, fast.loss)
    assert rates[0] == pytest.approx(1e-2)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 2e-3
    assert given["optimizer"].param_groups[0]["lr"] == 1e-2
    given["scheduler"] = torch.optim.lr_scheduler.StepLR(given["optimizer"], 3)
    with pytest.warns(HastenWarning, match="schedule refused: the task has a schedule of its own"):
        hasten.apply(["schedule"], **given, steps=10)


def test_wrap_comes_before_the_wrappers_of_calls():
    class Outer(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, *args):
            return self.module(*args)

    given = objects()
    with hasten.apply(["int8_saved"], **given, wrap=Outer) as fast:
        assert isinstance(fast.model, Outer)
        assert fast.model.module is given["model"]
        assert type(fast.model) is not Outer
        assert type(fast.model.module) is Net
    assert fast.plain() is given["model"]


def test_copies_and_pickles_of_the_model_are_plain():
    given = objects()
    with hasten.apply(["int8_saved"], **given) as fast:
        assert type(fast.model) is not Net
        assert isinstance(fast.model, Net)
        assert type(copy.deepcopy(fast.model)) is Net
        assert type(pickle.loads(pickle.dumps(fast.model))) is Net
    assert type(given["model"]) is Net


def test_a_model_that_computes_its_loss_needs_no_loss():
    class Own(Net):
        def forward(self, images, labels):
            return F.cross_entropy(super().forward(images), labels)

    torch.manual_seed(0)
    model = Own()
    optimizer = torch.optim.AdamW(model.parameters())
    loader = DataLoader(images(), batch_size=8)
    with hasten.apply(
        ["batched_gather", "fused_optimizer", "channels_last"], model=model, optimizer=optimizer, loader=loader
    ) as fast:
        for batch in fast.loader:
            fast.model(*batch).backward()
            fast.optimizer.step()
            fast.optimizer.zero_grad()
    assert [line.outcome for line in fast.report().lines] == [Outcome.APPLIED] * 3


def test_samples_that_draw_random_numbers_keep_the_loaders_own_batches():
    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 16

        def __getitem__(self, index):
            return torch.randn(3, 8, 8), index % 5

    given = objects() | {"loader": DataLoader(Noisy(), batch_size=8)}
    with pytest.warns(HastenWarning, match="loader_workers refused: the samples draw random numbers"):
        hasten.apply(["loader_workers"], **given)


def test_a_warm_up_that_begins_at_0_keeps_its_rates():
    model, data = nn.Linear(4, 1), DataLoader(TensorDataset(torch.ones(64, 4), torch.zeros(64, 1)), 8)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 8)
    rates = []
    with hasten.apply(
        ["fused_optimizer"], model=model, optimizer=optimizer, loader=data, loss=nn.MSELoss(), scheduler=schedule
    ) as fast:
        for inputs, targets in fast.loader:
            rates.append(fast.optimizer.param_groups[0]["lr"])
            fast.loss(fast.model(inputs), targets).backward()
            fast.optimizer.step()
            fast.optimizer.zero_grad()
            schedule.step()
    assert rates == pytest.approx([1e-2 * step / 8 for step in range(8)])
