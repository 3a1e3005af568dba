"""MIL operators in NumPy, one family per file; importing this package fills OPERATORS.

Written from the definitions that coremltools documents, and independent of karat.refimpl's operators on purpose: the
two are compared with each other.
"""

from . import activation as activation
from . import attention as attention
from . import batches as batches
from . import classification as classification
from . import compressed as compressed
from . import convolution as convolution
from . import cropping as cropping
from . import elementwise as elementwise
from . import filling as filling
from . import gelu as gelu
from . import indexing as indexing
from . import layout as layout
from . import linear as linear
from . import normalization as normalization
from . import pooling as pooling
from . import quantization as quantization
from . import reduction as reduction
from . import resize as resize
from . import sampling as sampling
from . import scatter as scatter
from . import sequences as sequences
from . import shuffle as shuffle
from . import sorting as sorting
from . import state as state
from . import suppression as suppression
from .registry import OPERATORS, Operator

__all__ = ["OPERATORS", "Operator"]
