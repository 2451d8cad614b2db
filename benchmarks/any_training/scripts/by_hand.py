"""A training of the catalog, as the loop written by hand: by_hand.py OUT NAME."""

import sys

import torch
from kept import keep

from benchmarks.any_training.catalog import TRAININGS

if __name__ == "__main__":
    torch.set_num_threads(1)
    losses, model = TRAININGS[sys.argv[2]].by_hand()
    print(*losses)
    keep(sys.argv[1], model)
