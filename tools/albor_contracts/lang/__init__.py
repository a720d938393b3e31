"""The index notation of contracts: types, syntax, checking, and one module for each backend of the checked tree."""
