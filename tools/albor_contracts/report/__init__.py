"""What the commands print and write: one module for each kind of result."""
