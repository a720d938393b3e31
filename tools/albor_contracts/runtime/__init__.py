"""What generated tests and compiled definitions are written in.

The same few lines of index notation run on three kinds of value: float64 arrays (the definition), `Bounded` pairs of
value and error bound (the tolerance), and torch tensors (the gradient of the definition).
"""
