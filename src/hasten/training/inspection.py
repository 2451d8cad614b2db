"""A look at what a recipe would build, without leaving a trace."""

from torch import nn

from hasten.base.seeds import preserved, seed_all
from hasten.training.recipe import Recipe


def example_model(recipe: Recipe) -> nn.Module:
    """Return the recipe's model as the run would start with it, on the CPU; the global generators stay untouched."""
    with preserved():
        seed_all(recipe.task.seed)
        model = recipe.task.model()
        for surgery in recipe.model:
            model = surgery.change(model)
    return model
