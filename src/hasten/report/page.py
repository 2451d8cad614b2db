"""The templates of HTML pages."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates() -> Environment:
    """Return the templates of this package; what they show is escaped, and what is not given is an error."""
    return Environment(
        loader=PackageLoader("hasten.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
