"""Seeing every obligation fail: faults are injected one by one, and must be killed by the obligations they name."""

from .matrix import Cell, Matrix, kill_matrix

__all__ = ["Cell", "Matrix", "kill_matrix"]
