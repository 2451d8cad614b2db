"""The code of docs/apply.md, run as it stands."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten.techniques.applying import plan_of

PAGE = (Path(__file__).parents[2] / "docs" / "apply.md").read_text()
BLOCKS = re.findall(r"(<!-- not run: \w+ -->\n)?```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", [number for number, (skipped, _) in enumerate(BLOCKS) if not skipped])
@pytest.mark.filterwarnings("ignore::hasten.base.errors.HastenWarning")
def test_the_page_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hasten.save_plan(plan_of("mine", ["fused_optimizer", "batched_gather"]), "plan.toml")
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = model[0].weight.clone()
    data = TensorDataset(torch.randn(20, 4), torch.randint(0, 3, (20,)))
    names = {
        "hasten": hasten,
        "model": model,
        "optimizer": torch.optim.AdamW(model.parameters()),
        "loader": DataLoader(data, batch_size=4, shuffle=True),
        "criterion": nn.CrossEntropyLoss(),
    }
    exec(BLOCKS[number][1], names)
    assert not torch.equal(before, model[0].weight)


def test_blocks_that_are_not_run_can_be_compiled():
    for _, code in BLOCKS:
        compile(code, "docs/apply.md", "exec")
