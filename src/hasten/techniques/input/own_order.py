"""Whether a technique may give the samples of a recipe an order of its own."""

from hasten.data.loading.given_loader import GivenOrder
from hasten.data.loading.loaders import whole
from hasten.data.loading.order import shuffled
from hasten.training.recipe import Recipe


def order_is_taken(recipe: Recipe) -> str | None:
    """Return why the order of the samples is not free to be chosen, or None if it is."""
    if recipe.input.loader is whole:
        return "a full batch has no order"
    if (reason := samples_are_chosen(recipe)) is not None:
        return reason
    if recipe.input.order is not shuffled and not isinstance(recipe.input.order, GivenOrder):
        return "another technique sets the order of samples already"
    return None


def samples_are_chosen(recipe: Recipe) -> str | None:
    """Return why an epoch is not one use of each sample, or None if it is."""
    if (stream := recipe.subject.stream) is not None:
        return f"{stream.reason}, so samples cannot be read by their ids"
    order = recipe.input.order
    if not isinstance(order, GivenOrder) or order.shuffles:
        return None
    own = "drop_last" if order.loader.drop_last else type(order.loader.sampler).__name__
    return f"your DataLoader's {own} decides which samples an epoch uses"
