"""Compare policy-optimization objectives for language models."""

__version__ = "0.1.0"
