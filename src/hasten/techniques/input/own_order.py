"""Whether a technique may give the samples of a recipe an order of its own."""

from hasten.data.loading.loaders import whole
from hasten.data.loading.order import shuffled
from hasten.training.recipe import Recipe


def order_is_taken(recipe: Recipe) -> str | None:
    """Return why the order of the samples is not free to be chosen, or None if it is."""
    if recipe.input.loader is whole:
        return "a full batch has no order"
    if recipe.input.order is not shuffled:
        return "another technique sets the order of samples already"
    return None
