"""The architectures, one per file, and the table that recognises them."""

from . import quicksrnet, swinir
from .model import Model

ARCHITECTURES = (quicksrnet, swinir)

__all__ = ["ARCHITECTURES", "Model"]
