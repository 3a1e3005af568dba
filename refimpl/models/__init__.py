"""The architectures, one per file, and the table that recognises them."""

from . import quicksrnet
from .model import Model

ARCHITECTURES = (quicksrnet,)

__all__ = ["ARCHITECTURES", "Model"]
