"""What goes into a program and comes out: arrays, pictures, states, and the shapes that a package allows."""

from dataclasses import dataclass

import numpy as np

from ...refimpl.errors import BadInput, UnsupportedOperator
from .blob import HELD
from .ops.parameters import room
from .schema import COLOR_SPACES
from .values import NO_TENSORS, Variable

MOST_SHOWN = 8  # shapes in a message


@dataclass(frozen=True)
class Feature(Variable):
    """An input, output or state of a program.

    Attributes
    ----------
    image : str or None
        Color space ("RGB", "BGR", "GRAYSCALE", "GRAYSCALE_FLOAT16") when the package declares an image: the value is
        then an array of the given shape in 0 .. 255, as the program sees it (blue first for "BGR").
    sizes : tuple of tuple of int
        All shapes that are allowed, where the package lists them.
    ranges : tuple of (int, int or None)
        Smallest and largest size of every axis, where the package gives ranges; None is no limit.
    default : float or None
        What an optional input is full of when it is not given.
    default_shape : tuple of int
        The shape of an optional input that is not given.
    """

    image: str | None = None
    sizes: tuple = ()
    ranges: tuple = ()
    default: float | None = None
    default_shape: tuple = ()

    def takes(self, shape):
        """Whether a value may have this shape."""
        fits = len(shape) == len(self.shape)
        fits = fits and all(want in (None, have) for have, want in zip(shape, self.shape, strict=True))
        if fits and self.sizes:
            return tuple(shape) in self.sizes
        if fits and self.ranges:
            pairs = zip(shape, self.ranges, strict=True)
            return all(low <= have and (high is None or have <= high) for have, (low, high) in pairs)
        return fits

    @property
    def allowed(self):
        """The shapes that it takes, in words.

        Examples
        --------
        >>> Feature("x", "float32", (1, None), ranges=((1, 1), (8, 64))).allowed
        '(1, 8 to 64)'
        """
        if self.sizes:
            more = f" and {len(self.sizes) - MOST_SHOWN} more" if len(self.sizes) > MOST_SHOWN else ""
            return f"one of {', '.join(map(str, self.sizes[:MOST_SHOWN]))}{more}"
        if not self.ranges:
            return str(self.shape)
        return f"({', '.join(_range(*ends) for ends in self.ranges)})"


def _range(low, high):
    if low == high:
        return str(low)
    return f"{low} or more" if high is None else f"{low} to {high}"


def feature(variable, described=None):
    """A Feature from what the function says of a variable, and what the model's interface says of it.

    Parameters
    ----------
    variable : Variable
    described : message, optional
        A FeatureDescription.
    """
    type_ = described.type if described is not None else None
    name, dtype, shape = variable.name, variable.dtype, variable.shape
    if type_ is None or (type_.imageType is None and type_.multiArrayType is None):
        return Feature(name, dtype, shape)
    if type_.imageType is not None:
        image = type_.imageType
        sizes, ranges = _image_sizes(image, shape)
        space = COLOR_SPACES.get(image.colorSpace, "unknown")
        return Feature(name, dtype, shape, space, _of_rank(sizes, shape), ranges if len(ranges) == len(shape) else ())
    array = type_.multiArrayType
    sizes = [tuple(each.shape) for each in array.enumeratedShapes.shapes] if array.enumeratedShapes else []
    ranges = tuple(map(_ends, array.shapeRange.sizeRanges)) if array.shapeRange else ()
    default = array.intDefaultValue or array.floatDefaultValue or array.doubleDefaultValue
    return Feature(
        name,
        dtype,
        shape,
        None,
        _of_rank(sizes, shape),
        ranges if len(ranges) == len(shape) else (),
        float(default) if type_.isOptional else None,
        tuple(array.shape) if type_.isOptional else (),
    )


def _of_rank(sizes, shape):
    return tuple(size for size in sizes if len(size) == len(shape))


def _ends(size_range):
    return size_range.lowerBound, None if size_range.upperBound < 0 else size_range.upperBound


def _image_sizes(image, shape):
    """(allowed shapes, ranges of every axis) of a picture, which is (N, C, H, W)."""
    if image.enumeratedSizes:
        return [(*shape[:-2], size.height, size.width) for size in image.enumeratedSizes.sizes], ()
    span = image.imageSizeRange
    if not span or not span.heightRange or not span.widthRange:
        return [], ()
    return [], (*((n or 1, n) for n in shape[:-2]), _ends(span.heightRange), _ends(span.widthRange))


def checked(value, feature, profile, what="input"):
    """A value in the shape and dtype that the program declares.

    Parameters
    ----------
    value : array_like, or PIL.Image.Image for an image
    feature : Feature
    profile : Profile
    what : str
        The word for it in messages.

    Returns
    -------
    ndarray

    Raises
    ------
    BadInput
        For another shape, or what is no number, or none of the integers that the program takes.
    UnsupportedOperator
        When the program takes no tensor there.
    """
    if feature.dtype in NO_TENSORS:
        raise UnsupportedOperator(
            f"{what} {feature.name!r} is a {feature.dtype}, karat takes tensors; export it with one"
        )
    array = _pixels(value, feature) if feature.image and hasattr(value, "getbands") else _array(value, feature, what)
    if array.dtype.kind not in "buif":
        raise BadInput(f"{what} {feature.name!r} has dtype {array.dtype}, expected {feature.dtype}; convert it")
    if feature.shape == () and array.size == 1:  # Core ML's interface has no scalars
        array = array.reshape(())
    if not feature.takes(array.shape):
        raise BadInput(
            f"{what} {feature.name!r} has shape {array.shape}, the program takes {feature.allowed}; "
            "crop or pad it to that"
        )
    _check_integers(array, feature, what)
    return profile.store(array, feature.dtype)


def _check_integers(array, feature, what):
    """Raise BadInput for what the declared integers cannot hold: a fraction, or a number beyond their ends."""
    declared = np.dtype(HELD.get(feature.dtype, feature.dtype))
    if declared.kind not in "iu" or not array.size:
        return
    ends = np.iinfo(declared.name)
    held = (array >= ends.min) & (array <= ends.max)
    if array.dtype.kind == "f":
        held &= array == np.rint(array)
    if not held.all():
        worst = array[np.unravel_index(np.argmin(held), held.shape)]
        raise BadInput(
            f"{what} {feature.name!r} has {worst} in it, the program takes {feature.dtype}: whole numbers from "
            f"{ends.min} to {ends.max}; round and clip it"
        )


def _array(value, feature, what):
    try:
        return np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise BadInput(
            f"{what} {feature.name!r} is no array ({error}), expected {feature.allowed}; give one"
        ) from error


def _pixels(picture, feature):
    """A Pillow image as the program sees it, in 0 .. 255: (1, 3, H, W), blue first for "BGR", or (1, 1, H, W)."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        raise BadInput(f"the picture for {feature.name!r} has transparency, expected an opaque one; flatten it first")
    try:
        mode = {"GRAYSCALE": "L", "GRAYSCALE_FLOAT16": "F"}.get(feature.image, "RGB")
        pixels = np.asarray(picture.convert(mode))
    except (OSError, ValueError) as error:
        raise BadInput(f"the picture for {feature.name!r} cannot be read ({error}); give another one") from error
    if pixels.ndim == 2:
        return pixels[None, None]  # (1, 1, H, W)
    return (pixels[..., ::-1] if feature.image == "BGR" else pixels).transpose(2, 0, 1)[None]  # (1, 3, H, W)


def default_of(feature):
    """What an optional input is when it is not given."""
    shape = tuple(feature.default_shape) if None in feature.shape else feature.shape
    return np.full(room(shape), feature.default)
