"""Floor 4: records to the terminal and to one HTML file; imports no torch."""
