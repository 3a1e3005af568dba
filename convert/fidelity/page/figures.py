"""How numbers look on the page, and where they stand on its scales."""

import math

EMPTY = "-"


def figure(value):
    """A number in three digits; below 0.01 with an exponent, so that small numbers in a column look alike.

    Examples
    --------
    >>> [figure(v) for v in (None, 0.0, 3.21e-05, 0.002, 65504.0, float("inf"), -0.5)]
    ['-', '0', '3.21e-5', '2.00e-3', '65504', 'inf', '-0.5']
    """
    if value is None:
        return EMPTY
    if 100 <= abs(value) < 1e6:
        return f"{value:.0f}"
    small = 0 < abs(value) < 0.01
    return f"{value:{'.2e' if small else '.3g'}}".replace("e-0", "e-").replace("e+0", "e")


def share(value):
    """A share of a bound; what is below 1 is never rounded up to it, for above 1 stands a defect.

    Examples
    --------
    >>> share(0.99999), share(1.0), share(1.0001), share(0.25), share(None)
    ('0.999', '1', '1.001', '0.25', '-')
    """
    if value is None or not 0.999 < value < 1.01 or value == 1:
        return figure(value)
    return "0.999" if value < 1 else f"{math.ceil(1000 * value) / 1000:g}"


def decibel(value):
    """A level in dB; None has none.

    Examples
    --------
    >>> decibel(72.449), decibel(float("inf")), decibel(None)
    ('72.4', 'inf', '-')
    """
    return EMPTY if value is None else f"{value:.1f}"


def plain(value):
    """What JSON can hold and JavaScript's Number() reads back: it has no literal for infinity and NaN.

    Examples
    --------
    >>> plain({"a": [1.5, float("-inf")]})
    {'a': [1.5, '-Infinity']}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def place(value, low, high):
    """Where a value lies between two ends, in percent; what is not a number lies at the upper end: it is no good news.

    Examples
    --------
    >>> place(30.0, 20.0, 40.0), place(float("inf"), 0.0, 1.0), place(float("nan"), 0.0, 1.0), place(5.0, 5.0, 5.0)
    (50.0, 100.0, 100.0, 0.0)
    """
    if math.isnan(value):
        return 100.0
    if high <= low:
        return 100.0 if value > high else 0.0
    return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)


def log_place(value, low, high):
    """The same on a logarithmic scale; zero lies at the lower end.

    Examples
    --------
    >>> log_place(0.01, 1e-4, 1.0), log_place(0.0, 1e-4, 1.0)
    (50.0, 0.0)
    """
    if value is None or value == 0:
        return 0.0
    return place(math.log2(abs(value)), math.log2(low), math.log2(high))


def log_ends(values, least=2.0**-40):
    """Powers of two around all finite, positive values: the two ends of a logarithmic scale.

    Examples
    --------
    >>> log_ends([3.0, 0.0, 0.3, float("inf"), None])
    (0.25, 4.0)
    """
    known = [v for v in values if v is not None and math.isfinite(v) and v > 0]
    if not known:
        return least, 1.0
    low, high = math.floor(math.log2(max(min(known), least))), math.ceil(math.log2(max(max(known), 2 * least)))
    low = min(low, 1022)  # 1023 is the largest power of two there is
    return 2.0**low, 2.0 ** min(max(high, low + 1), 1023)
