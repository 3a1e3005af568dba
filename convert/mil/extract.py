"""Part of a program as a program of its own."""

from ...refimpl.errors import BadInput
from .program import Feature, Program

HALF_VERSION = 7  # the specification from which on inputs and outputs may be float16 (iOS 16)


def extract(program, outputs, inputs=(), shapes=None):
    """The operations that compute some variables from others.

    Parameters
    ----------
    program : Program
    outputs : sequence of str
        Variables to compute.
    inputs : collection of str
        Variables to begin at: those that the operations read become inputs of the new program, in its types. What is
        not needed is left out; the program's own inputs need not be named.
    shapes : dict of str to tuple of int, optional
        Sizes of inputs and outputs, where the program leaves some open.

    Returns
    -------
    Program
        With the operations in their order, and the constants that they read, shared with ``program``.

    Raises
    ------
    BadInput
        When no operation computes one of the outputs, or the program has states.

    Examples
    --------
    >>> part = extract(program, ["y"], ["h"])  # doctest: +SKIP
    >>> [operation.type for operation in part.operations]  # doctest: +SKIP
    ['conv', 'clip']
    """
    wanted = list(outputs)
    if program.states:
        raise BadInput(
            f"the program keeps the state {program.states[0].name!r}, which no part of it can; run the whole"
        )
    for name in wanted:
        if program.producer(name) is None:
            raise BadInput(f"no operation computes {name!r}; name an output of an operation")
    kept, begins = set(), set(inputs) - set(wanted)
    while wanted:
        operation = program.producer(wanted.pop())
        if operation is not None and operation.name not in kept:
            kept.add(operation.name)
            wanted += [name for name in operation.reads if name not in begins]
    operations = [operation for operation in program.operations if operation.name in kept]
    computed = {output.name for operation in operations for output in operation.outputs}
    read = {name: None for operation in operations for name in operation.reads if name not in computed}
    known = {o.name: o for operation in program.operations for o in operation.outputs}
    known |= {feature.name: feature for feature in (*program.outputs, *program.inputs)}
    features = {name: _feature(known[name], shapes or {}) for name in (*read, *outputs) if name in known}
    taken = [features[name] for name in read if name in features]
    given = [features[name] for name in outputs]
    half = HALF_VERSION if any(feature.dtype == "float16" for feature in (*taken, *given)) else 0
    version = max(program.specification_version, half)
    constants = {name: value for name, value in program.constants.items() if name in read}
    return Program(program.path, version, program.function, program.opset, taken, given, constants, operations)


def _feature(variable, shapes):
    """An input or output of the new program."""
    shape = tuple(shapes.get(variable.name, variable.shape))
    return Feature(variable.name, variable.dtype, shape, getattr(variable, "image", None))
