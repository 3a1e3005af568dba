"""Interval rules for MIL operators, one family per file; importing this package fills RULES."""

from . import activation as activation
from . import elementwise as elementwise
from . import mixtures as mixtures
from . import moves as moves
from . import normalization as normalization
from . import products as products
from . import reduction as reduction
from .bounds import Bounds
from .rules import RULES

__all__ = ["RULES", "Bounds"]
