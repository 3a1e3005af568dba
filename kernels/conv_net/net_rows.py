"""A net of convolutions, depth first: a row of tiles goes through all layers before the next one enters.

Every layer keeps only the last rows of its input, in a ring that stays in the cache.
"""

from ..cache import kernel
from ..emit.simd import word
from .conv_rows import convolve_row, image_row
from .records import CONVOLUTION, FIRST, KIND, LAG, LAST, LAYER_WORDS, LAYERS, RECORDS, WORD
from .shuffle_rows import finish_row
from .squeeze_rows import squeeze_row

_image_row, _convolve_row = image_row.compiled, convolve_row.compiled
_squeeze_row, _finish_row = squeeze_row.compiled, finish_row.compiled


@kernel
def net_rows(net, first, last):
    """All rows of tiles that a band needs; ``first`` and ``last`` count the picture's, as they enter."""
    layers, records = word(net + LAYERS), word(net + RECORDS)
    for step in range(first, last):
        if word(records + FIRST) <= step < word(records + LAST):
            _image_row(net, step)
        for i in range(1, layers + 1):
            layer = records + i * LAYER_WORDS * WORD
            row = step - word(layer + LAG)
            if word(layer + FIRST) <= row < word(layer + LAST):
                if word(layer + KIND) == CONVOLUTION:
                    _convolve_row(net, layer, row)
                else:
                    _squeeze_row(net, layer, row)
                if i == layers:
                    _finish_row(net, layer, row)
