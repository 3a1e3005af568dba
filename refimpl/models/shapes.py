"""Whether the shapes of a checkpoint are those that its configuration asks for."""

from ..errors import BadInput


def check_shapes(shapes, expected, name):
    """Raise BadInput naming the first key that is missing, superfluous or of another shape than expected.

    Parameters
    ----------
    shapes, expected : mapping of str to tuple
        By state_dict key.
    name : str
        Of the architecture, for the message.
    """
    for key in [*expected, *shapes]:
        if shapes.get(key) != expected.get(key):
            raise BadInput(
                f"{key} has shape {shapes.get(key, 'nothing')}, expected {expected.get(key, 'no such key')} of a "
                f"{name}; use a checkpoint with the released key names"
            )
