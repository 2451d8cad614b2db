"""Charts as SVG text: pure functions from plain values. Colours are CSS classes, so that they follow the page."""
