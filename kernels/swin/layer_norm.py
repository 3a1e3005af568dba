"""LayerNorm of a panel of 64 tokens, without its weight and bias: they are in the layer behind it."""

from ..emit.simd import I64, VECTOR_BYTES, Emitter
from ..emit.tiles import ROW, Float32
from .window import VECTORS


def layer_norm(e: Emitter, form: type[Float32], x, channels, share, eps, y):
    """(x - mean) / sqrt(variance + eps).

    Parameters
    ----------
    form : {Float32, BFloat16}
    x, y : value
        Addresses: of the addresses of the panel's patches, and of tokens as ``form`` reads them.
    channels : value
    share, eps : value
        Addresses of 1 / channels and of eps, float32.
    """
    e.procedure(f"layer_norm_{form.__name__}", lambda e, *at: _layer_norm(form(e), *at), *(x, channels, share, eps, y))


def _layer_norm(operands, x, channels, share, eps, y):
    e, each = operands.e, range(VECTORS)
    patches = [e.load(x, 8 * j, I64, 8) for j in each]

    def row(k):
        return [e.load(e.at(patch, (k, VECTOR_BYTES))) for patch in patches]

    zero = [e.constant(0)] * VECTORS
    share = e.broadcast(share)
    sums = e.loop(channels, zero, lambda k, a: [e.add(a[j], v) for j, v in enumerate(row(k))])
    mean = [e.mul(value, share) for value in sums]

    def squares(k, a):
        apart = [e.sub(v, mean[j]) for j, v in enumerate(row(k))]
        return [e.fma(apart[j], apart[j], a[j]) for j in each]

    spread = e.loop(channels, zero, squares)
    one, eps = e.constant(1), e.broadcast(eps)
    inverse = [e.builder.fdiv(one, e.sqrt(e.fma(value, share, eps))) for value in spread]

    def write(k, _):
        first = e.builder.mul(k, e.integer(operands.channels))
        values = [v for c in range(operands.channels) for v in row(e.at(first, c))]
        values = [e.mul(e.sub(v, mean[i % VECTORS]), inverse[i % VECTORS]) for i, v in enumerate(values)]
        operands.store_tokens(values, VECTORS, e.at(y, (k, ROW)))
        return []

    steps = e.builder.sdiv(e.at(channels, operands.channels - 1), e.integer(operands.channels))
    e.loop(steps, [], write)
