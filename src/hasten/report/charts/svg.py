"""SVG elements as text."""

from html import escape


def element(name: str, *content: str, **attributes: object) -> str:
    """Return an element; content is SVG already, attributes are escaped.

    An underscore in an attribute's name stands for a hyphen, and one at its end for nothing: `class_="axis"`.
    Numbers are rounded to hundredths; attributes that are None are left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(content)}</{name}>" if content else f"<{name}{written}/>"


def text(words: str, *, x: float, y: float, class_: str = "", anchor: str = "start") -> str:
    """Return words at a place; `anchor` is "start", "middle" or "end"."""
    return element("text", escape(words), x=x, y=y, class_=class_ or None, text_anchor=anchor)


def title(words: str) -> str:
    """Return the words that a pointer at rest shows, and that a screen reader reads."""
    return element("title", escape(words))


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def drawing(*content: str, width: float, height: float, label: str) -> str:
    """Return a whole SVG that grows and shrinks with its place; `label` says what it shows."""
    return element(
        "svg",
        title(label),
        *content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
    )


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
