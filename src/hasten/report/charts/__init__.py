"""Charts as SVG text: pure functions from plain values. Colors are CSS classes, so that they follow the page."""
