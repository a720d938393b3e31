"""Running the tests of obligations in worker processes, so that no kernel can take the run down with it."""

from .elsewhere import Elsewhere
from .orchestrator import Command, Job, RunResult, run_jobs
from .worker import AHEAD, Ahead, input_notes, tell_where

__all__ = ["AHEAD", "Ahead", "Command", "Elsewhere", "Job", "RunResult", "input_notes", "run_jobs", "tell_where"]
