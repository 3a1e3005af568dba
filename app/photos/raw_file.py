"""Raw files of cameras through LibRaw: linear numbers of the sensor, never the preview that lies beside them.

Choices, and why:

* All 16 bits, linear: gamma (1, 1), no brightening. 0 is the sensor's black, 65535 its white level. LibRaw would
  stretch this by what a picture holds; it may not, so that a series stays a series.
* The sensor's own colours, and no white balance multiplied in: nothing is clipped, and both stay a matter of taste.
  What the camera measured is kept as data, as a DNG does it (AsShotNeutral, ColorMatrix1).
* AHD demosaicing, LibRaw's default, and Markesteijn's for X-Trans; no denoising, no sharpening, no correction of
  lenses.
* LibRaw turns the picture as the camera says.
"""

import io
import struct

import numpy as np

from ...refimpl.errors import BadInput
from . import jpeg_file
from .exif_block import exif_notes
from .exif_patch import turned_exif
from .found import Found
from .photo import Metadata, Photo
from .tags import BIG, CLASSIC, COMPRESSION, LENGTH, MAKE, MODEL, PHOTOMETRIC, STORAGE, SUBFILE, VARIANTS, WIDTH, Tags
from .tiff_file import left_out, metadata

DNG_VERSION, CFA, LINEAR_RAW = 50706, 32803, 34892
COMPRESSIONS = {262, 32767, 32769, 32770, 32772, 32867, 34713, 65000, 65535}  # of Kodak, Sony, Samsung, Nikon, Pentax
PLACES = ((273, 279), (324, 325), (280, 279))  # where strips or tiles begin and how long they are; 280 is Panasonic's
NO_PLACE = 2**32 - 1  # Panasonic writes that where it says the place elsewhere
FULL_SIZE, LOSSLESS_JPEG = 0, 7
KEEPING = ("CANON", "NIKON", "SONY", "PANASONIC", "LEICA", "OLYMPUS", "PENTAX", "SAMSUNG")  # what TIFF says; not Kodak
# about the mosaic, or said anew: of Panasonic and TIFF/EP, and of DNG
SENSOR = {*range(1, 254), 33421, 33422, *range(50706, 50723), 50728, *range(50731, 50735), 50738, 50739}
SENSOR |= {50778, 50779, 50780, 50781, 50829, 50830}
FUJI, FUJI_PREVIEW = b"FUJIFILMCCD-RAW", 84  # where place and length of its preview stand
MOSAIC, MOSAICS = 33421, ((2, 2), (4, 2), (8, 2), (6, 6))  # LibRaw's four bytes hold 2 columns; X-Trans is its own case
MATRICES, D65 = ((50721, 50778), (50722, 50779)), 21  # ColorMatrix with its illuminant, as EXIF numbers light


def is_raw(data):
    """Whether a TIFF structure holds a sensor's data.

    Parameters
    ----------
    data : bytes-like
    """
    tags = Tags(data)
    if DNG_VERSION in tags.first or bytes(data[8:10]) == b"CR":
        return True
    for folder in tags.folders:
        if tags.number(PHOTOMETRIC, 0, folder) in (CFA, LINEAR_RAW):
            return True
        if tags.number(COMPRESSION, 1, folder) in COMPRESSIONS:
            return True
    return bool(tags.text(MAKE)) and _larger_than_said(data, tags)


def _larger_than_said(data, tags):
    """Whether LibRaw finds a picture where the first folder is only its preview, as in some older raw files."""
    try:
        with _opened(data) as raw:
            said = int(tags.number(WIDTH)) * int(tags.number(LENGTH))
            return tags.number(SUBFILE) & 1 or raw.sizes.width * raw.sizes.height > 2 * said
    except BadInput:
        return False


def _reason(error):
    """LibRaw's words, which rawpy hands on as bytes."""
    return error.args[0].decode("latin-1") if error.args and isinstance(error.args[0], bytes) else error


def _opened(data):
    import rawpy

    raw = rawpy.RawPy()
    try:
        raw.open_buffer(io.BytesIO(data))
    except rawpy.LibRawError as error:
        raw.close()
        raise BadInput(
            f"cannot be read as a raw photograph ({_reason(error)}), expected one LibRaw knows; convert it to DNG"
        ) from None
    return raw


def inspect(data):
    """What a raw file says of itself; parameters and errors as in `jpeg_file.inspect`."""
    with _opened(data) as raw:  # nothing is unpacked yet
        sizes, channels = raw.sizes, raw.num_colors
    if channels not in (1, 3):
        raise BadInput(
            f"comes from a sensor with {channels} colours, expected 1 or 3; develop it with its maker's program"
        )
    kept, notes, camera = Metadata(), ("its metadata is left out: nobody here reads it in such a file",), {}
    if bytes(data[: len(FUJI)]) == FUJI:
        kept, notes = _of_preview(data, notes)
    elif bytes(data[:4]) in CLASSIC + BIG + VARIANTS:
        tags = Tags(data)
        _check_whole(tags, len(data))
        _check_mosaic(tags)
        kept = metadata(tags, tags.first)
        notes = (*exif_notes(tags, kept.exif), *left_out(tags.first, STORAGE | SENSOR))
        camera = {"make": tags.text(MAKE), "model": tags.text(MODEL), **_dng_matrix(tags)}
    turned = turned_exif if sizes.flip & 4 else bytes
    kept = Metadata(kept.exif and turned(kept.exif), kept.xmp, kept.iptc)
    return Found("RAW", *_size(sizes), channels, 16, 1, kept, notes, (sizes.raw_width, sizes.raw_height), camera)


def _of_preview(data, otherwise):
    """Metadata and notes of the JPEG in a file of Fujifilm's: there alone it keeps its EXIF."""
    try:
        place, size = struct.unpack_from(">II", data, FUJI_PREVIEW)
        kept = jpeg_file.inspect(bytes(data[place : place + size])).metadata
    except (BadInput, struct.error):
        return Metadata(), otherwise
    return kept, () if kept.exif else otherwise


def _check_mosaic(tags):
    """Raise BadInput for a DNG whose mosaic LibRaw would take for another, and turn into colours that are not there."""
    for folder in tags.folders if DNG_VERSION in tags.first else ():
        if tags.number(PHOTOMETRIC, 0, folder) != CFA or MOSAIC not in folder:
            continue
        rows, columns = (int(number) for number in (*folder[MOSAIC].numbers[:2], 0, 0)[:2])
        if (rows, columns) not in MOSAICS:
            found = f"has a colour mosaic of {rows} x {columns}"
            raise BadInput(f"{found}, expected 2 x 2 or 6 x 6; develop it with its maker's program")


def _check_whole(tags, size):
    """Raise BadInput where pictures lie beyond the file's end: LibRaw would go on with whatever it finds."""
    if DNG_VERSION not in tags.first and not tags.text(MAKE).upper().startswith(KEEPING):
        return
    for folder in tags.folders:
        for places, lengths in PLACES:
            starts, counts = (folder[code].numbers if code in folder else () for code in (places, lengths))
            ends = [a + n for a, n in zip(starts, counts, strict=False) if a != NO_PLACE]
            if max(ends, default=0) > size:
                raise BadInput(f"is cut short: it has {size} bytes, expected {max(ends)} at least; copy it again")
            pixels = int(tags.number(WIDTH, 0, folder)) * int(tags.number(LENGTH, 0, folder))
            coded = (
                tags.number(COMPRESSION, 1, folder) == LOSSLESS_JPEG and tags.number(SUBFILE, 1, folder) == FULL_SIZE
            )
            if coded and ends and 8 * sum(counts) < pixels:  # lossless JPEG takes a bit for each at least
                raise BadInput(f"holds {sum(counts)} bytes for {pixels} pixels, expected more; copy it again")


def _size(sizes):
    """(width, height) upright; where pixels are not square LibRaw stretches the shorter side."""
    width, height, aspect = sizes.iwidth, sizes.iheight, sizes.pixel_aspect
    if aspect < 0.995:
        height = int(height / aspect + 0.5)
    elif aspect > 1.005:
        width = int(width * aspect + 0.5)
    return (height, width) if sizes.flip & 4 else (width, height)


def _camera(raw):
    """What a DNG has to say about colours: plain numbers, None where the file does not say."""
    balance = [float(value) for value in raw.camera_whitebalance]
    matrix = np.asarray(raw.rgb_xyz_matrix, float)[: max(3, raw.num_colors)]  # (3, 3), XYZ to camera
    balanced = all(np.isfinite(value) and value > 0 for value in balance[:3])
    return {
        "white_balance": balance if balanced else None,
        "daylight_balance": [float(value) for value in raw.daylight_whitebalance],
        "as_shot_neutral": [balance[1] / value for value in balance[:3]] if balanced else None,
        "xyz_to_camera": matrix.tolist() if np.isfinite(matrix).all() and matrix.any() else None,
        "illuminant": D65,
        "black_level": [int(value) for value in raw.black_level_per_channel],
        "white_level": int(raw.white_level),
        "colors": raw.color_desc.decode("ascii", "replace"),
    }


def _dng_matrix(tags):
    """What a DNG itself says of its colours: the matrix for daylight, or else the one it has."""
    found = {}
    for matrix, illuminant in MATRICES:
        if matrix in tags.first and len(tags.first[matrix].numbers) == 9:
            kind = int(tags.number(illuminant, 0))
            rows = np.reshape(tags.first[matrix].numbers, (3, 3)).astype(float).tolist()
            found[kind] = {"xyz_to_camera": rows, "illuminant": kind}
    return found.get(D65) or next(iter(found.values()), {})


def _check_levels(camera):
    """Raise BadInput where nothing lies between black and white."""
    black, white = max(camera["black_level"], default=0), camera["white_level"]
    if 0 < white <= black:
        raise BadInput(f"has its black level at {black} and white at {white}, expected white above it; copy it again")


def decode(data, found):
    """Its photo, upright; parameters as in `jpeg_file.decode`."""
    import rawpy

    with _opened(data) as raw:
        try:
            camera = {**_camera(raw), **found.extra}
            _check_levels(camera)
            pixels = raw.postprocess(
                gamma=(1, 1), no_auto_bright=True, output_bps=16, output_color=rawpy.ColorSpace.raw,
                user_wb=[1.0] * 4, adjust_maximum_thr=0.0,
            )  # fmt: skip
        except rawpy.LibRawError as error:
            raise BadInput(f"is damaged ({_reason(error)}), expected a whole raw photograph; copy it again") from None
    pixels = pixels.reshape(*pixels.shape[:2], -1)[..., : found.channels]  # (H, W, C)
    if pixels.shape != (found.height, found.width, found.channels):  # a sensor that stands askew, as some of Fujifilm's
        expected = f"{found.width} x {found.height} pixels of {found.channels} channels as LibRaw announced"
        raise BadInput(f"is developed to {pixels.shape}, expected {expected}; convert it to DNG")
    return Photo(np.ascontiguousarray(pixels), 16, "RAW", found.metadata, found.notes, linear=True, camera=camera)
