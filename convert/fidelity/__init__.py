"""The comparison of a converted network with its golden reference."""

from .verdict import Verdict
from .verify import verify

__all__ = ["Verdict", "verify"]
