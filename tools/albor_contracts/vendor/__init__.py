"""Kernels of other libraries, called the way the contracts' equations are."""
