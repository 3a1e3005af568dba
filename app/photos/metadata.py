"""What a result's file holds beside its pixels: the source's metadata, with what no longer holds corrected."""

import io
from dataclasses import dataclass, replace

from ...refimpl.errors import BadInput
from .density import of_exif, said, same
from .exif_patch import correct_exif
from .jpeg_file import extended
from .limits import name
from .photo import Metadata
from .texts import named
from .xmp_patch import correct_xmp

THUMBNAIL_SIDE = 160  # pixels: DC-008 recommends 160 x 120
CHOICES = ("keep", "strip")


@dataclass(frozen=True)
class Carried:
    """Metadata that is ready to be written, and sentences about what was left out."""

    metadata: Metadata
    notes: tuple[str, ...] = ()


def carried(photo, choice="keep", thumbnail=True):
    """Correct a photograph's metadata for its pixels as they are now.

    Parameters
    ----------
    photo : Photo
        Its pixels are those of the result.
    choice : {"keep", "strip"}
        "strip" keeps only what says how the numbers are to be shown: ICC profile and CICP.
    thumbnail : bool
        Whether the format has a place for one.

    Returns
    -------
    Carried

    Raises
    ------
    BadInput
    """
    if choice not in CHOICES:
        raise BadInput(f'metadata is {choice!r}, expected "keep" or "strip"; choose one of them')
    found = photo.metadata
    if choice == "strip":
        return Carried(Metadata(icc=found.icc, cicp=found.cicp))
    height, width = photo.pixels.shape[:2]
    exif, xmp, notes = None, None, ()
    if found.exif:
        exif, more = correct_exif(found.exif, width, height, _Thumbnail(photo) if thumbnail else None)
        notes += more
    if found.xmp:
        xmp, more = correct_xmp(found.xmp, width, height)
        notes += more
    return Carried(replace(found, exif=exif, xmp=xmp), notes)


def without_place(metadata, format):
    """Say what a format other than JPEG has no place for.

    Parameters
    ----------
    metadata : Metadata
        Corrected.
    format : str

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> without_place(Metadata(texts=(("Author", "A"),)), "WebP")
    ('texts are left out, WebP has no place for them: Author',)
    """
    notes, where = (), name(format)
    if metadata.texts and format not in ("JPEG", "PNG"):
        notes += (f"texts are left out, {where} has no place for them: {named(key for key, _ in metadata.texts)}",)
    density = metadata.density
    if density and format in ("WebP", "AVIF", "HEIC") and not same(density, of_exif(metadata.exif)):
        notes += (f"the resolution of {said(density)} is left out: {where} has no place for it",)
    if metadata.more_xmp and format != "JPEG":
        notes += (f"{extended(metadata.more_xmp)}: only a JPEG has a place for it",)
    return notes


class _Thumbnail:
    """Makes a small JPEG of a photograph that fits into the place of the old one."""

    def __init__(self, photo):
        self.photo = photo

    def __call__(self, limit):
        """Give (jpeg, width, height) with `limit` bytes at most, or None."""
        image = self._small()
        for quality in (90, 80, 70, 60, 50, 40, 30):
            file = io.BytesIO()
            image.save(file, "JPEG", quality=quality)
            if file.tell() <= limit:
                return file.getvalue(), *image.size
        return None

    def _small(self):
        from PIL import Image

        pixels, most = self.photo.pixels, self.photo.most  # (H, W, C)
        colours = 1 if pixels.shape[2] < 3 else 3
        step = max(1, min(pixels.shape[:2]) // (2 * THUMBNAIL_SIDE))  # every step-th pixel: it is shrunk further below
        part = pixels[::step, ::step, :colours].astype("float32") * (255 / most)
        image = Image.fromarray(part.round().astype("uint8")[..., 0] if colours == 1 else part.round().astype("uint8"))
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        return image
