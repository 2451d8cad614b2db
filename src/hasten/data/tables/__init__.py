"""Tables: reading, types of columns, preprocessing."""
