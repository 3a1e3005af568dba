"""The one registry of interval rules: MIL's name of an operator -> bounds of its inputs to bounds of its outputs."""

RULES = {}


def rule(*names):
    """Register the decorated function under MIL's names.

    It takes MIL's parameters: Bounds for what depends on the image, arrays and text for what does not. Its bounds hold
    for the operator computed in float32 or finer, sums in any order; whoever calls adds the rounding of the store.
    """

    def register(function):
        for name in names:
            if name in RULES:
                raise ValueError(f"the rule for {name} is registered twice")
            RULES[name] = function
        return function

    return register
