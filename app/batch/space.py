"""How much room results take on the disk, and how much there is."""

import os
import shutil
from pathlib import Path

from ...refimpl.errors import BadInput

# bytes for each sample, twice what benchmarks/photo_memory.py found: room that is missing is worse than a question;
# what loses nothing is bounded by its pixels
LOSSY = {"JPEG": 0.4, "WebP": 0.3, "AVIF": 0.25, "HEIC": 0.6}
RATIO = {"PNG": 0.8, "TIFF": 0.8, "RAW": 1.0}


def predicted_size(format, target, channels, bits) -> int:
    """Bytes of a result, about; most photographs take less."""
    samples = target.width * target.height * channels
    each = RATIO[format] * (1 if bits == 8 else 2) if format in RATIO else LOSSY[format]
    return int(samples * each)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def check_room(needed: int, folder: Path) -> None:
    """Raise BadInput where a disk has less room than results will take, about."""
    free = shutil.disk_usage(existing(folder)).free
    if needed > free:
        raise BadInput(
            f"about {_amount(needed)} will be written and {folder} has {_amount(free)} left, expected room for all; "
            "make room, choose another disk or a format that takes less"
        )


def _amount(number):
    return f"{number / 1e6:.0f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"
