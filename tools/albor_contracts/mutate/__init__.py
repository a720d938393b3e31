"""Mechanical mutants: one small edit of an implementation's source at a time, each of which must be noticed."""

from .edits import Mutant, mutants_of
from .known import Known, equivalents, known_mutants
from .shared import shared_modules

__all__ = ["Known", "Mutant", "equivalents", "known_mutants", "mutants_of", "shared_modules"]
