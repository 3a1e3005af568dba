"""MIL operators in NumPy, one family per file; importing this package fills OPERATORS.

Written from the definitions that coremltools documents, and independent of karat.refimpl's operators on purpose: the
two are compared with each other.
"""

from . import activation as activation
from . import convolution as convolution
from . import cropping as cropping
from . import elementwise as elementwise
from . import gelu as gelu
from . import indexing as indexing
from . import layout as layout
from . import linear as linear
from . import normalization as normalization
from . import pooling as pooling
from . import reduction as reduction
from . import resize as resize
from . import sampling as sampling
from . import shuffle as shuffle
from .registry import OPERATORS, Operator

__all__ = ["OPERATORS", "Operator"]
