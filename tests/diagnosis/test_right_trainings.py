"""Trainings without a fault that look as if they had one, or that few programs are like: nothing is found or fails."""

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from hasten.base.seeds import seed_all
from hasten.diagnosis.data.mirrored import SeenMirrored
from hasten.diagnosis.data.samples import SeenPart
from hasten.diagnosis.data.self_pairs import positive_is_self, views_identical
from hasten.pipeline.diagnosing import Diagnosing

CLASSES = 3
Loop = Callable[[], None]
LOOPS: list[tuple[str, Loop]] = []


def looks_like(symptom: str) -> Callable[[Loop], Loop]:
    """Enter a loop without this fault."""

    def enter(loop: Loop) -> Loop:
        LOOPS.append((symptom, loop))
        return loop

    return enter


def found(loop: Loop) -> list[str]:
    """Return the symptoms that are named in a loop."""
    seed_all(0)
    with Diagnosing(name="loop") as doctor:
        loop()
    assert doctor.failed == {}
    return [one.symptom for one in doctor.diagnosis().findings]


def net(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


def classify(model: nn.Module) -> None:
    x, y = samples()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randperm(400).repeat(4).view(-1, 40):
        update(optimizer, F.cross_entropy(model(x[at]), y[at]))


def update(optimizer: optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def samples() -> tuple[Tensor, Tensor]:
    inputs = torch.randn(400, 6)
    return inputs, inputs[:, :CLASSES].argmax(1)


def epochs(number: int = 6) -> Iterator[tuple[nn.Module, DataLoader[tuple[Tensor, ...]]]]:
    """Train a classifier; yield it after each epoch, with the loader of the evaluation."""
    x, y = samples()
    train = DataLoader(TensorDataset(x[:300], y[:300]), 32, shuffle=True)
    test = DataLoader(TensorDataset(x[300:], y[300:]), 32)
    model = net(6, CLASSES)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(number):
        for inputs, labels in train:
            update(optimizer, F.cross_entropy(model(inputs), labels))
        with torch.no_grad():
            yield model, test


def steps(loss: Callable[[nn.Module, Tensor, Tensor], Tensor], number: int = 60) -> None:
    """Train a classifier by a loss of its own."""
    x, y = samples()
    model = net(6, CLASSES)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(number):
        rows = torch.randint(0, len(x), (64,))
        update(optimizer, loss(model, x[rows], y[rows]))


@looks_like("evaluation_wrong")
def the_class_of_one_sample() -> None:
    for model, test in epochs():
        for inputs, _ in test:
            out = model(inputs)
            out[0].argmax()
            out[:, 1].argmax(0)


@looks_like("evaluation_wrong")
def logits_that_become_probabilities_in_place() -> None:
    x, y = samples()
    model = net(6, 1)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    wanted = (y[:, None] > 0).float()
    for _ in range(20):
        update(optimizer, F.binary_cross_entropy_with_logits(model(x), wanted))
        with torch.no_grad():
            out = model(x[:50])
            out.sigmoid_()
            ((out > 0.5) == wanted[:50]).float().mean()


@looks_like("evaluation_wrong")
def a_running_accuracy() -> None:
    for model, test in epochs():
        right, seen = 0, list[int]()
        for inputs, labels in test:
            right += (model(inputs).argmax(1) == labels).sum().item()
            seen.extend(labels.tolist())
            right / len(seen)


@looks_like("loss_sign")
def a_prior_that_is_learned() -> None:
    x = torch.randn(256, 4) @ torch.randn(4, 12)
    encoder, decoder, prior = net(12, 8), net(4, 12), nn.Parameter(torch.zeros(8))
    optimizer = optim.Adam([*encoder.parameters(), *decoder.parameters(), prior], 1e-3)
    for _ in range(60):
        rows = x[torch.randint(0, 256, (64,))]
        mean, variance = encoder(rows).chunk(2, 1)
        of_prior, its_variance = prior.expand(64, 8).chunk(2, 1)
        made = decoder(mean + torch.randn_like(mean) * (0.5 * variance).exp())
        ratio = (variance.exp() + (mean - of_prior) ** 2) / its_variance.exp()
        divergence = 0.5 * (its_variance - variance + ratio - 1).sum() / 64
        update(optimizer, F.mse_loss(made, rows, reduction="sum") / 64 + divergence)


@looks_like("loss_sign")
def a_classifier_that_shall_be_certain() -> None:
    def loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        out = model(inputs)
        known, shares = (labels != 1).float(), out.softmax(1)
        errors = (F.cross_entropy(out, labels, reduction="none") * known).sum() / known.sum()
        return errors - 0.1 * (shares * shares.log()).sum(1).mean()

    steps(loss)


@looks_like("term_without_gradient")
def a_number_to_print_beside_flooding() -> None:
    def loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        out = model(inputs)
        error = F.mse_loss(out.detach().softmax(1), F.one_hot(labels, CLASSES).float())
        error.item()
        float(F.l1_loss(out.detach(), out.detach() + 1))
        return (F.cross_entropy(out, labels) - 0.05).abs() + 0.05

    steps(loss)


@looks_like("gradients_still_scaled")
def one_of_two_losses_is_scaled() -> None:
    x, y = torch.randn(400, 6), torch.randn(400, 1)
    one, other = net(6, 1), net(6, 1)
    of_one, of_other = optim.Adam(one.parameters(), 1e-2), optim.Adam(other.parameters(), 1e-2)
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(20):
        of_one.zero_grad()
        of_other.zero_grad()
        scaler.scale(F.mse_loss(one(x), y)).backward()
        F.mse_loss(other(x), y).backward()
        of_other.step()
        scaler.step(of_one)
        scaler.update()


@looks_like("attends_to_padding")
def convolution_before_packed_rows() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.rnn = nn.Conv1d(3, 8, 5, stride=2, padding=2), nn.GRU(8, 8, batch_first=True)
            self.head = nn.Linear(8, 2)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            h, short = self.conv(x.transpose(1, 2)).transpose(1, 2), (lengths - 1) // 2 + 1
            _, last = self.rnn(nn.utils.rnn.pack_padded_sequence(h, short, batch_first=True, enforce_sorted=False))
            return self.head(last[0])

    lengths = torch.randint(4, 13, (320,))
    series = torch.randn(320, 12, 3) * (torch.arange(12) < lengths[:, None])[..., None]
    model = Net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randperm(320).repeat(4).view(-1, 32):
        update(optimizer, F.cross_entropy(model(series[at], lengths[at]), (series[at, 0, 0] > 0).long()))


@looks_like("attends_to_padding")
def scores_of_the_next_items_of_padded_rows() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.items, self.places = nn.Embedding(20, 16, padding_idx=0), nn.Embedding(10, 16)
            self.attention, self.norm = nn.MultiheadAttention(16, 2, batch_first=True), nn.LayerNorm(16)

        def forward(self, rows: Tensor, following: Tensor) -> Tensor:
            x = self.items(rows) + self.places(torch.arange(10))
            hidden = torch.ones(10, 10, dtype=torch.bool).triu(1)
            x = x + self.attention(x, x, x, attn_mask=hidden, need_weights=False)[0]
            return (self.norm(x) * self.items(following)).sum(-1)

    rows = torch.randint(1, 20, (320, 1)) + torch.arange(11)
    rows = (rows - 1) % 19 + 1
    rows[torch.arange(11) >= torch.randint(4, 12, (320, 1))] = 0
    model = Net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randperm(320).repeat(4).view(-1, 32):
        given, following = rows[at, :-1], rows[at, 1:]
        real = following != 0
        scores, others = model(given, following), model(given, torch.randint(1, 20, given.shape) * real)
        update(optimizer, (F.softplus(-scores) + F.softplus(others))[real].mean())


def joined_rows(join: str) -> None:
    """Train on batches of four graphs of ten nodes each, whose outputs depend on the others of their graph."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own, self.others = nn.Linear(6, 3), nn.Linear(6, 3)

        def forward(self, x: Tensor, given: Tensor) -> Tensor:
            if join == "edges":
                sums = torch.zeros_like(x).index_add(0, given[1], x[given[0]])
            elif join == "pairs":
                sums = given @ x
            else:
                sums = torch.zeros(int(given[-1]) + 1, 6).index_add(0, given, x)[given]
            return self.own(x) + self.others(sums)

    each = torch.block_diag(*[torch.ones(10, 10)] * 4)
    given = {"edges": each.nonzero().T, "pairs": each, "sets": torch.arange(4).repeat_interleave(10)}[join]
    x, y = samples()
    model = Net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randperm(400).repeat(4).view(-1, 40):
        update(optimizer, F.cross_entropy(model(x[at], given), y[at]))


@looks_like("samples_mixed")
def nodes_with_edges() -> None:
    joined_rows("edges")


@looks_like("samples_mixed")
def nodes_with_a_matrix() -> None:
    joined_rows("pairs")


@looks_like("samples_mixed")
def points_of_sets() -> None:
    joined_rows("sets")


class Residual(nn.Module):
    """Two layers: for the sum of all blocks, and for the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.part, self.following = nn.Linear(6, 8), nn.Linear(8, CLASSES), nn.Linear(8, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.shared(x).relu()
        return self.part(h), x - self.following(h)


@looks_like("parameter_unreached")
def last_block_without_a_next_one() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Residual() for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            total = torch.zeros(len(x), CLASSES)
            for block in self.blocks:
                part, x = block(x)
                total = total + part
            return total

    classify(Net())


@looks_like("parameter_unreached")
def last_of_two_lists_without_a_next_one() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(nn.Linear(6, CLASSES) for _ in range(3))
            self.following = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            total = torch.zeros(len(x), CLASSES)
            for part, following in zip(self.parts, self.following, strict=True):
                total, x = total + part(x), following(x).relu()
            return total

    classify(Net())


@looks_like("initial_loss_off")
def products_of_the_outputs_of_pairs() -> None:
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.LayerNorm(64), nn.Linear(64, 32))
    inputs = torch.randn(400, 6)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randint(400, (40, 2, 64)):
        outputs = model(inputs)
        near = ((inputs[at[0]] - inputs[at[1]]).square().sum(1) < 8).float()
        scores = (outputs[at[0]] * (outputs[at[1]] + 0.5)).sum(1)
        update(optimizer, F.binary_cross_entropy_with_logits(scores, near))


@looks_like("wrong_loss_family")
def autoencoder_of_a_multinomial_distribution() -> None:
    chosen, model = (torch.rand(400, 12) > 0.7).float(), net(12, 12)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randperm(400).repeat(4).view(-1, 40):
        update(optimizer, -(model(chosen[at]).log_softmax(1) * chosen[at]).sum(1).mean())


@looks_like("too_few_steps")
def a_goal_beside_patience() -> None:
    x = torch.randn(400, 6)
    y = x @ torch.randn(6, 1)
    model = nn.Linear(6, 1)
    optimizer = optim.Adam(model.parameters(), 2e-2)
    best, counter, patience = float("inf"), 0, 3
    for _epoch in range(100):
        for part in range(0, 300, 30):
            update(optimizer, F.mse_loss(model(x[part : part + 30]), y[part : part + 30]))
        with torch.no_grad():
            value = F.mse_loss(model(x[300:]), y[300:]).item()
        best, counter = (value, 0) if value < best else (best, counter + 1)
        if counter >= patience:
            break
        if value < 0.2:
            break


@looks_like("repeated_batches")
def a_curve_is_drawn_on_a_grid() -> None:
    x = torch.cat([torch.rand(24, 1) - 2, torch.rand(24, 1) + 1])
    model = net(1, 1)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(100):
        update(optimizer, F.mse_loss(model(x), x.sin()))
    with torch.no_grad():
        model(torch.linspace(-3, 3, 400)[:, None])


@looks_like("validation_differs")
def points_move_along_a_learned_flow() -> None:
    model = net(3, 2)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(100):
        ends, start, time = 3 + 0.3 * torch.randn(64, 2), torch.randn(64, 2), torch.rand(64, 1)
        between = torch.cat([start + time * (ends - start), time], 1)
        update(optimizer, F.mse_loss(model(between), ends - start))
    with torch.no_grad():
        points = torch.randn(200, 2)
        for number in range(20):
            time = torch.full((200, 1), number / 20)
            points = points + model(torch.cat([points, time], 1)) / 20


@looks_like("validation_differs")
def a_part_of_the_line_is_looked_at() -> None:
    x = torch.cat([torch.rand(200, 1) - 3, torch.rand(200, 1) + 2])
    model = net(1, 1)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(100):
        some = x[torch.randint(len(x), (64,))]
        update(optimizer, F.mse_loss(model(some), some.sin()))
    with torch.no_grad():
        model(torch.rand(100, 1) - 3.0)
        model(torch.linspace(4, 6, 100)[:, None])


@looks_like("inputs_constant")
def the_start_and_the_inside_of_a_process_in_one_loss() -> None:
    model = net(2, 1)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    start = torch.stack([torch.linspace(0, 1, 60), torch.zeros(60)], 1)
    inside = torch.rand(40, 2)
    for _ in range(60):
        update(optimizer, F.mse_loss(model(start), start[:, :1]) + F.mse_loss(model(inside), inside[:, :1]))
    points = torch.rand(500, 2)
    with torch.no_grad():
        F.mse_loss(model(points), points[:, :1])


@looks_like("frozen_changed")
def gradients_estimated_without_a_backward_pass() -> None:
    x = torch.randn(100, 6)
    y = x.sum(1, keepdim=True)
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)).requires_grad_(False)
    parameters = list(model.parameters())
    optimizer = optim.Adam(parameters, 1e-2)
    for _ in range(30):
        noise = [0.1 * torch.randn_like(one) for one in parameters]
        values = []
        for sign in (1, -1):
            moved = {name: one + sign * each for (name, one), each in zip(model.named_parameters(), noise, strict=True)}
            values.append(F.mse_loss(torch.func.functional_call(model, moved, (x,)), y))
        for one, each in zip(parameters, noise, strict=True):
            one.grad = (values[0] - values[1]) * each / 0.02
        optimizer.step()


def folds(restart: Callable[[nn.Module], None]) -> None:
    x, y = samples()
    model = net(6, CLASSES)
    for fold in range(4):
        restart(model)
        rows = [place for place in range(len(x)) if place % 4 != fold]
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for _ in range(8):
            for part in torch.tensor(rows).split(50):
                update(optimizer, F.cross_entropy(model(x[part]), y[part]))


@looks_like("optimizer_recreated")
def the_weights_are_drawn_again_for_each_fold() -> None:
    def restart(model: nn.Module) -> None:
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.data.normal_(0, 0.3)

    folds(restart)


@looks_like("optimizer_recreated")
def the_weights_are_set_back_for_each_fold() -> None:
    start = dict[str, Tensor]()

    def restart(model: nn.Module) -> None:
        start.update(start or {name: one.clone() for name, one in model.state_dict().items()})
        model.load_state_dict(start)

    folds(restart)


@looks_like("loss_spikes")
def a_start_that_each_task_is_trained_from() -> None:
    model = nn.Linear(4, 1)
    optimizer = optim.SGD(model.parameters(), 0.02)
    start = {name: one.clone() for name, one in model.state_dict().items()}
    for _ in range(3):
        x, slope = torch.randn(64, 4), torch.ones(4, 1)
        for _ in range(150):
            update(optimizer, F.mse_loss(model(x), x @ slope + 0.1 * torch.randn(64, 1)))
        model.load_state_dict(start)


@looks_like("leak_across_splits")
def what_one_model_is_trained_on_another_is_tested_with() -> None:
    x = torch.randn(400, 6)
    for normal, rest in ((x[:200], x[200:]), (x[200:], x[:200])):
        model = net(6, CLASSES)
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for _ in range(6):
            for rows in torch.randperm(150).split(30):
                update(optimizer, model(normal[rows]).square().sum(1).mean())
        with torch.no_grad():
            model(torch.cat([normal[150:], rest[::5]]))


@looks_like("leak_across_splits")
def samples_that_the_model_chooses_to_be_trained_on() -> None:
    x, y = samples()
    model = net(6, CLASSES)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    inputs, labels, unlabelled = x[:80], y[:80], x[80:320]
    for _ in range(4):
        for _ in range(3):
            for rows in torch.randperm(len(inputs)).split(20):
                update(optimizer, F.cross_entropy(model(inputs[rows]), labels[rows]))
        with torch.no_grad():
            sure, said = model(unlabelled[torch.arange(240)]).softmax(1).max(1)
        chosen = sure.topk(80).indices
        inputs, labels = torch.cat([x[:80], unlabelled[chosen]]), torch.cat([y[:80], said[chosen]])


@looks_like("accumulation_not_divided")
def a_critic_of_three_losses() -> None:
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(), nn.Linear(16, 1))
    optimizer = optim.Adam(critic.parameters(), 1e-3)
    for _ in range(20):
        optimizer.zero_grad()
        real, made = torch.randn(64, 2), torch.randn(64, 2) + 1
        critic(real).mean().backward(torch.tensor(-1.0))
        critic(made).mean().backward(torch.tensor(1.0))
        between = ((real + made) / 2).requires_grad_()
        slope = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
        ((slope.norm(2, 1) - 1) ** 2).mean().backward()
        optimizer.step()


looks_like("labels_unfit")(a_critic_of_three_losses)


@looks_like("inputs_constant")
def graphs_whose_nodes_are_all_one() -> None:
    model = Graph()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        degrees = torch.randint(1, 4, (16,))
        edges = torch.arange(64).reshape(16, 4)[:, :1] + torch.arange(4)
        edges = edges[torch.arange(4) < degrees[:, None]]
        update(optimizer, F.cross_entropy(model(torch.ones(64, 1), edges, torch.arange(64) // 4), degrees - 1))


class Graph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net(1, CLASSES)

    def forward(self, nodes: Tensor, edges: Tensor, graphs: Tensor) -> Tensor:
        return self.net(torch.zeros(16, 1).index_add(0, graphs[edges], nodes[edges]))


@looks_like("initial_loss_off")
def distances_to_the_means_of_classes() -> None:
    model = nn.Linear(6, 64)
    optimizer = optim.Adam(model.parameters(), 1e-3)
    for _ in range(20):
        centers = 4 * torch.randn(5, 6)
        given = model(torch.cat([centers, (centers + 3 * torch.randn(4, 5, 6)).flatten(0, 1)]))
        update(optimizer, F.cross_entropy(-(torch.cdist(given[5:], given[:5]) ** 2), torch.arange(5).repeat(4)))


@looks_like("initial_loss_off")
def distances_to_the_means_of_classes_by_hand() -> None:
    model = nn.Linear(6, 64)
    optimizer = optim.Adam(model.parameters(), 1e-3)
    for _ in range(20):
        centers = 4 * torch.randn(5, 6)
        given = model(torch.cat([centers, (centers + 3 * torch.randn(4, 5, 6)).flatten(0, 1)]))
        far = ((given[5:, None] - given[None, :5]) ** 2).sum(2)
        update(optimizer, F.cross_entropy(-far, torch.arange(5).repeat(4)))


@looks_like("gradients_not_cleared")
def samples_move_along_their_own_gradient_before_each_update() -> None:
    energy = net(2, 1)
    optimizer = optim.Adam(energy.parameters(), 1e-2)
    for _ in range(20):
        moved = torch.randn(32, 2).requires_grad_()
        for _ in range(10):
            moved.grad = None
            energy(moved).sum().backward()
            with torch.no_grad():
                assert moved.grad is not None
                moved -= 0.1 * moved.grad
        optimizer.zero_grad()
        made, real = energy(moved.detach()), energy(torch.randn(32, 2) + 1)
        (real.mean() - made.mean() + 0.1 * (real.square() + made.square()).mean()).backward()
        optimizer.step()


@looks_like("evaluation_records_gradients")
def the_inputs_of_an_evaluation_are_attacked() -> None:
    x, y = samples()
    model = net(6, CLASSES)
    optimizer = optim.Adam(model.parameters(), 1e-2)

    def attacked(rows: Tensor, labels: Tensor) -> Tensor:
        shift = torch.zeros_like(rows, requires_grad=True)
        (slope,) = torch.autograd.grad(F.cross_entropy(model(rows + shift), labels), shift)
        return rows + 0.1 * slope.sign()

    for _ in range(20):
        for rows, labels in zip(x[:300].split(50), y[:300].split(50), strict=True):
            model.eval()
            made = attacked(rows, labels)
            model.train()
            update(optimizer, F.cross_entropy(model(made), labels))
    model.eval()
    for rows, labels in zip(x[300:].split(10), y[300:].split(10), strict=True):
        made = attacked(rows, labels)
        with torch.no_grad():
            model(made)


@looks_like("schedule_wrong")
def a_second_schedule_follows_the_first() -> None:
    x, y = samples()
    model = net(6, CLASSES)
    optimizer = optim.SGD(model.parameters(), 0.1)
    falls = optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    stays = optim.swa_utils.SWALR(optimizer, swa_lr=0.03, anneal_epochs=2)
    for epoch in range(12):
        for part in torch.randperm(len(x)).split(50):
            update(optimizer, F.cross_entropy(model(x[part]), y[part]))
        (falls if epoch < 6 else stays).step()


def cells(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Train a model that gives a place between 0 and 1 and logits of three classes, in one tensor."""
    x, y = samples()
    wanted = torch.cat([x[:, :2].sigmoid(), F.one_hot(y, CLASSES).float()], 1)
    model = net(6, 2 + CLASSES)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        rows = torch.randint(0, len(x), (64,))
        out = model(x[rows])
        update(optimizer, loss(torch.cat([out[:, :2].sigmoid(), out[:, 2:]], 1), wanted[rows]))


@looks_like("bounded_output")
def a_bounded_place_beside_logits() -> None:
    cells(lambda made, wanted: F.mse_loss(made[:, :2], wanted[:, :2]) + F.cross_entropy(made[:, 2:], wanted[:, 2:]))


@looks_like("wrong_loss_family")
def places_and_classes_by_squared_errors() -> None:
    cells(lambda made, wanted: F.mse_loss(made[:, :2], wanted[:, :2]) + F.mse_loss(made[:, 2:], wanted[:, 2:]))


@pytest.mark.parametrize(("symptom", "loop"), LOOPS, ids=[loop.__name__ for _, loop in LOOPS])
def test_nothing_is_found_that_is_not_there(symptom: str, loop: Loop) -> None:
    assert symptom not in found(loop)


def test_a_warm_up_that_is_under_way_gives_no_learning_rates() -> None:
    def loop() -> None:
        x, y = samples()
        model = net(6, CLASSES)
        optimizer = optim.SGD(model.parameters(), 0.1)
        scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) / 1000)
        for _ in range(100):
            update(optimizer, F.cross_entropy(model(x[:64]), y[:64]))
            scheduler.step()

    seed_all(0)
    with Diagnosing(name="loop") as doctor:
        loop()
    assert not any("returns learning rates" in one.sentence for one in doctor.diagnosis().findings)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
@pytest.mark.parametrize("forward", [True, False])
def test_a_schedule_that_is_stepped_to_its_place_goes_on(forward: bool, tmp_path: Path) -> None:
    x, y = samples()

    def made() -> tuple[nn.Module, optim.Optimizer, optim.lr_scheduler.LRScheduler]:
        model = net(6, CLASSES)
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        return model, optimizer, optim.lr_scheduler.StepLR(optimizer, 5)

    model, optimizer, scheduler = made()
    for _ in range(8):
        update(optimizer, F.cross_entropy(model(x), y))
        scheduler.step()
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    torch.save({name: one.state_dict() for name, one in parts.items()}, tmp_path / "state.pt")

    def resumed() -> None:
        model, optimizer, scheduler = made()
        state = torch.load(tmp_path / "state.pt")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        for _ in range(8 if forward else 0):
            scheduler.step()
        for _ in range(20):
            update(optimizer, F.cross_entropy(model(x), y))
            scheduler.step()

    assert ("resumed_without_state" in found(resumed)) is not forward


class Waves(nn.Module):
    """A classifier of series of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(1, 8, 9), nn.Linear(8, CLASSES)

    def forward(self, series: Tensor) -> Tensor:
        return self.last(self.first(series[:, None]).relu().mean(2))


def test_an_evaluation_of_series_of_several_lengths() -> None:
    def loop() -> None:
        def batch(length: int) -> tuple[Tensor, Tensor]:
            labels = torch.randint(0, CLASSES, (16,))
            return torch.sin(torch.arange(length) * (labels[:, None] + 1) / 3 + torch.rand(16, 1)), labels

        train, test = [[batch(length) for length in range(start, start + 8)] for start in (50, 60)]
        model = Waves()
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for _ in range(4):
            for series, labels in DataLoader(train, None, shuffle=True):  # type: ignore[arg-type]
                update(optimizer, F.cross_entropy(model(series), labels))
            with torch.no_grad():
                for series, _ in DataLoader(test, None):  # type: ignore[arg-type]
                    model(series)

    found(loop)


def test_losses_that_are_no_single_number() -> None:
    def loop() -> None:
        def overlap(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
            return 1 - (model(inputs).softmax(1) * F.one_hot(labels, CLASSES)).sum(1)

        x, y = samples()
        model = net(6, CLASSES)
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for _ in range(10):
            optimizer.zero_grad()
            overlap(model, x, y).backward(torch.ones(400) / 400)
            optimizer.step()

    def autoencoder() -> None:
        x, encoder, decoder = torch.randn(64, 6), net(6, 8), net(4, 6)
        optimizer = optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)
        for _ in range(10):
            mean, variance = encoder(x).chunk(2, 1)
            made = decoder(mean + torch.randn_like(mean) * (0.5 * variance).exp())
            divergence = -0.5 * (1 + variance - mean**2 - variance.exp()).sum(1)
            optimizer.zero_grad()
            (F.mse_loss(made, x, reduction="none").sum(1) + divergence).backward(torch.ones(64) / 64)
            optimizer.step()

    found(loop)
    found(autoencoder)


def test_outputs_of_an_evaluation_are_not_kept() -> None:
    alive = list[weakref.ref[torch.UntypedStorage]]()

    def loop() -> None:
        for model, _ in epochs(2):
            for _ in range(8):
                alive.append(weakref.ref(model(torch.randn(32, 6)).untyped_storage()))
            model(torch.randn(32, 6))
            assert not any(one() is not None for one in alive[:-1])

    found(loop)


class Slots:
    """An object without a dictionary that has any attribute."""

    __slots__ = ()

    def __getattr__(self, name: str) -> None:
        return None


def test_names_for_nothing() -> None:
    def loop() -> None:
        gone, slots = weakref.proxy(Waves()), Slots()
        x, rewards = torch.randn(64, 6), torch.randn(64, 1)
        model = net(6, 1)
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for turn in range(10):
            update(optimizer, F.mse_loss(model(x), rewards))
            with torch.no_grad():
                (model(x) == (slots.targets or rewards)).sum() / 64
            if turn > 100 and slots.patience:
                break
        del gone

    found(loop)


def test_sparse_inputs_and_complex_weights() -> None:
    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.last = nn.Parameter(torch.randn(6, 4, dtype=torch.complex64)), nn.Linear(4, CLASSES)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.last((inputs.to(torch.complex64) @ self.weight).abs())

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.last = nn.Parameter(torch.randn(6, 16)), nn.Linear(16, CLASSES)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.last(torch.mm(inputs, self.weight).relu())

    def loop(model: nn.Module, given: Callable[[Tensor], Tensor]) -> None:
        x, y = samples()
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for _ in range(10):
            mask = (torch.rand(400) < 0.5).float()
            errors = F.cross_entropy(model(given(x)), y, reduction="none")
            update(optimizer, (errors * mask).sum() / mask.sum())
            with torch.no_grad():
                model(given(torch.randn(100, 6)))

    found(lambda: loop(Complex(), lambda x: x))
    found(lambda: loop(Graph(), lambda x: x.to_sparse()))


def test_functions_of_torch_func() -> None:
    def loop() -> None:
        x, y = samples()
        model = net(6, CLASSES)
        optimizer = optim.Adam(model.parameters(), 1e-2)
        values = dict(model.named_parameters())

        def loss(values: dict[str, Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(torch.func.functional_call(model, values, (inputs,)), labels)

        for _ in range(8):
            torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(values, x[:4], y[:4])
            torch.func.vmap(lambda one, other: F.cosine_similarity(one, other, 0))(x, x)
            update(optimizer, loss(values, x, y))

    found(loop)


def test_empty_batches_and_models_without_numbers() -> None:
    def loop() -> None:
        shapes = nn.Linear(6, 2, device="meta")
        for model, _ in epochs(3):
            for inputs, _ in DataLoader([(torch.zeros(0, 6), torch.zeros(0))], None):  # type: ignore[arg-type]
                model(inputs)
            shapes(torch.zeros(4, 6, device="meta"))

    found(loop)


@pytest.mark.parametrize("whole", [True, False])
def test_a_graph_without_breaks_can_be_compiled(whole: bool) -> None:
    def loop() -> None:
        x, y = samples()
        model = net(6, CLASSES)
        optimizer = optim.Adam(model.parameters(), 1e-2)

        def loss(inputs: Tensor, labels: Tensor) -> Tensor:
            out = model(inputs)
            return F.cross_entropy(out, labels) + F.cosine_similarity(out, inputs[:, :CLASSES]).mean()

        compiled = torch.compile(loss if whole else model, backend="eager", fullgraph=True)
        for _ in range(4):
            update(optimizer, compiled(x, y) if whole else F.cross_entropy(compiled(x), y))

    found(loop)


def test_large_maps_are_averaged() -> None:
    seen, plain = SeenMirrored(), torch.rand(40, 3, 200, 200)
    low = F.interpolate(torch.rand(40, 1, 8, 8), (200, 200), mode="bilinear")
    seen.add(plain * 0.2 + low, low.flip(3))
    assert seen.upright == 0
    assert seen.mirrored > 30


def test_what_is_said_of_pixels_is_counted() -> None:
    part, said = SeenPart(whole=None), (torch.arange(4_000_000) % 4 == 0).byte()
    part.say(said, 1)
    part.say(said[:8], 1)
    assert part.part().said == {0: 3_000_006, 1: 1_000_002}


def test_few_samples_of_large_tables_are_compared() -> None:
    features = F.normalize(torch.randn(1500, 64), dim=1)
    table, rows = (features @ features.T).log_softmax(1), torch.arange(1500)
    other = features.clone().requires_grad_() + 0.1 * torch.randn(1500, 64)
    assert positive_is_self(table, rows)
    assert not positive_is_self((features @ other.T).log_softmax(1), rows)
    twice = torch.cat([features[:750], features[:750]])
    similar = (twice @ twice.T).fill_diagonal_(-torch.inf).log_softmax(1)
    assert views_identical(similar, rows.roll(750))
    assert not views_identical((features @ features.T).fill_diagonal_(-torch.inf).log_softmax(1), rows.roll(750))
    assert not views_identical(similar[:90, :90], torch.full((90,), -100))


def test_an_optimizer_for_each_part_of_the_same_training_is_found() -> None:
    assert "optimizer_recreated" in found(lambda: folds(lambda _: None))
