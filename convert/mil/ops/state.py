"""States: tensors that outlive a run. A program names them among its inputs (`Program.states`)."""

from .registry import operator

STATEFUL = {"read_state", "write_state"}  # what may refer to a state


@operator("read_state", exact=True)
def read_state(input):
    """What the state holds now."""
    return input


@operator("write_state", exact=True)
def write_state(input, data):
    """What the state holds from now on; the package reader names the state as its output."""
    return data
