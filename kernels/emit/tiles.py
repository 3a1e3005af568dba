"""The tile that every matrix product is made of: rows x vectors of sums that stay in registers.

X is (K, T): one row a channel, T tokens beside each other, so that LayerNorm, softmax and GELU never work across lanes
and no width needs padding to the vector's. Per channel a tile of 4 rows x 4 vectors loads 4 vectors of tokens and 4
weights for 16 fused multiply-adds. In bfloat16 both hold pairs of channels, and one instruction adds two products.
"""

from .simd import I32, PAIRS, VECTOR, VECTOR_BYTES, Emitter

ROW = 4 * VECTOR_BYTES  # bytes of 64 tokens of one channel, or of one pair of channels


class Float32:
    """Operands as they are: a step of the sum is one channel."""

    channels = 1

    def __init__(self, e: Emitter):
        self.e = e

    def tokens(self, address, offset):
        """A vector of tokens, as a product reads it."""
        return self.e.load(address, offset, VECTOR)

    def weight(self, address, offset):
        """One weight in all lanes."""
        return self.e.broadcast(address, offset)

    def accumulate(self, total, weight, tokens):
        """total + weight tokens."""
        return self.e.fma(weight, tokens, total)

    def store_tokens(self, values, vectors, address, row=ROW):
        """Rows of values, vectors beside each other, as `tokens` reads them."""
        for at, value in enumerate(values):
            self.e.store(value, address, at // vectors * row + at % vectors * VECTOR_BYTES)

    def store_weights(self, values, vectors, address, row=ROW):
        """Rows of values, as `weight` reads them: neighbouring tokens are the steps of another product's sum."""
        self.store_tokens(values, vectors, address, row)


class BFloat16(Float32):
    """Pairs of bfloat16: a step of the sum is two channels, added in float32."""

    channels = 2

    def tokens(self, address, offset):
        return self.e.load(address, offset, PAIRS)

    def weight(self, address, offset):
        return self.e.splat(self.e.load(address, offset, I32))

    def accumulate(self, total, weight, tokens):
        return self.e.dot_pairs(total, weight, tokens)

    def store_tokens(self, values, vectors, address, row=ROW):
        for i in range(0, len(values) // vectors, 2):
            for j in range(vectors):
                pair = self.e.pairs(values[i * vectors + j], values[(i + 1) * vectors + j])
                self.e.store(pair, address, i // 2 * row + VECTOR_BYTES * j)

    def store_weights(self, values, vectors, address, row=ROW):
        for at, value in enumerate(values):
            self.e.store(self.e.bfloats(value), address, (at // vectors * row + at % vectors * VECTOR_BYTES) // 2)


def tile(operands: Float32, w, x, x_step, steps, start, rows, vectors, w_step=None, w_row=4, taps=(0,)):
    """``start`` plus the products of weights and tokens over all steps: a list of rows x vectors registers.

    Parameters
    ----------
    operands : Float32 or BFloat16
    w, x : value
        Addresses. The weight of row i in step k lies at w + k w_step + i w_row, vector j of the tokens at
        x + k x_step + 64 j.
    x_step, w_step, w_row : int
        Bytes. Packed weights (w_step None) lie ``rows`` beside each other, tap after tap, step after step.
    steps : value or int
    start : list of value
    rows, vectors : int
    taps : sequence of int
        Offsets of the tokens, in bytes, each with weights of its own: those of a convolution.
    """
    e = operands.e
    w_step = 4 * rows * len(taps) if w_step is None else w_step

    def step(k, sums):
        tokens, weights = e.at(x, (k, x_step)), e.at(w, (k, w_step))
        sums = list(sums)
        for t, tap in enumerate(taps):
            inputs = [operands.tokens(tokens, tap + VECTOR_BYTES * j) for j in range(vectors)]
            for i in range(rows):
                weight = operands.weight(weights, 4 * rows * t + i * w_row)
                for j in range(vectors):
                    sums[i * vectors + j] = operands.accumulate(sums[i * vectors + j], weight, inputs[j])
        return sums

    return e.loop(steps, start, step)


def biases(e: Emitter, address, rows, vectors):
    """A tile that starts at the bias of its rows."""
    return [value for i in range(rows) for value in [e.broadcast(address, 4 * i)] * vectors]
