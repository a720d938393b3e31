"""Running obligations against kernels: what to run, the workers that run it, and the verdict."""

from .plan import Planned, plan
from .run import verify

__all__ = ["Planned", "plan", "verify"]
