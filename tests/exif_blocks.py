"""EXIF blocks drawn with every place known, and a checker of what a correction may do to them."""

import io
import struct
from dataclasses import dataclass, field

from hypothesis import strategies as st
from PIL import Image

SIZE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 12: 8}
FORM = {3: "H", 4: "I"}
ORIENTATION = 0x112
MAIN_SIZES, EXIF_SIZES = {0x100: "width", 0x101: "height"}, {0xA002: "width", 0xA003: "height"}
SECOND = {0x100: None, 0x101: None}  # of the thumbnail: its own size


@dataclass
class Drawn:
    """A block, and what is known of it.

    Attributes
    ----------
    data : bytes
    order : str
    numbers : list of (place of the entry, what it has to say)
        "width", "height" or 1.
    second : list of int
        Places of the entries that describe the thumbnail.
    link : int
        Where the offset of the second directory stands.
    thumbnail : tuple of int or None
        Its place and length.
    """

    data: bytes = b""
    order: str = "<"
    numbers: list = field(default_factory=list)
    second: list = field(default_factory=list)
    link: int = 0
    thumbnail: tuple | None = None

    def may_differ(self):
        """The bytes that a correction may change: all others are somebody else's."""
        places = {p for entry, _ in self.numbers for p in range(entry + 2, entry + 12)}
        if self.thumbnail:
            start, length = self.thumbnail
            places |= {p for entry in self.second for p in range(entry + 2, entry + 12)}
            places |= set(range(start, start + length)) | set(range(self.link, self.link + 4))
        return places


def small_jpeg(width=16, height=12, quality=60):
    """A thumbnail."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 60)).save(file, "JPEG", quality=quality)
    return file.getvalue()


@st.composite
def other_values(draw):
    """A value of any type: (type, count, bytes)."""
    kind, count = draw(st.sampled_from([1, 2, 3, 4, 5, 7, 10])), draw(st.integers(1, 9))
    return kind, count, draw(st.binary(min_size=SIZE[kind] * count, max_size=SIZE[kind] * count))


def _numbers(draw, order, tags):
    """Some of the tags, each as SHORT or LONG."""
    made = {}
    for tag in draw(st.lists(st.sampled_from(tags), unique=True)):
        kind = draw(st.sampled_from([3, 4]))
        made[tag] = (kind, 1, struct.pack(order + FORM[kind], draw(st.integers(2, 8 if tag == ORIENTATION else 5000))))
    return made


def _others(draw, low, high):
    """Tags that nobody may touch."""
    return draw(st.dictionaries(st.integers(low, high), other_values(), max_size=3))


@st.composite
def exif_blocks(draw):
    """Draw a block: both byte orders, directories and values in any order with gaps between them."""
    order = draw(st.sampled_from("<>"))
    main = _others(draw, 0x8298, 0x8300) | _numbers(draw, order, [ORIENTATION, *MAIN_SIZES])
    folders = {"main": main}
    if draw(st.booleans()):
        folders["exif"] = _others(draw, 0x9000, 0x9200) | _numbers(draw, order, list(EXIF_SIZES))
        note = draw(st.binary(min_size=5, max_size=80))
        folders["exif"][0x927C] = (7, len(note), note)
        main[0x8769] = "exif"
        if draw(st.booleans()):
            folders["interop"] = {1: (2, 4, b"R98\0")}
            folders["exif"][0xA005] = "interop"
    if draw(st.booleans()):
        folders["gps"] = _others(draw, 1, 30)
        main[0x8825] = "gps"
    values = {}
    if draw(st.booleans()):
        folders["second"] = {0x103: (3, 1, struct.pack(order + "H", 6)), 0x201: "thumbnail"}
        values["thumbnail"] = small_jpeg() + bytes(draw(st.integers(0, 300)))
        folders["second"][0x202] = (4, 1, struct.pack(order + "I", len(values["thumbnail"])))
        folders["second"] |= _numbers(draw, order, [ORIENTATION, *SECOND])
    return _laid_out(draw, order, folders, values)


def _laid_out(draw, order, folders, values):
    for name, folder in folders.items():
        values |= {(name, tag): v[2] for tag, v in folder.items() if not isinstance(v, str) and len(v[2]) > 4}
    lengths = {name: 6 + 12 * len(folder) for name, folder in folders.items()} | {k: len(v) for k, v in values.items()}
    places, here = {}, 8
    for name in draw(st.permutations(list(lengths))):
        here += draw(st.integers(0, 3))
        places[name] = here
        here += lengths[name]
    data = bytearray(draw(st.binary(min_size=here, max_size=here)))
    made = Drawn(order=order)
    data[:8] = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, places["main"])
    for name, value in values.items():
        data[places[name] : places[name] + len(value)] = value
    for name, folder in folders.items():
        _put_folder(data, made, places, name, folder)
    if "second" in folders:
        made.thumbnail = (places["thumbnail"], len(values["thumbnail"]))
    made.data = bytes(data)
    return made


def _put_folder(data, made, places, name, folder):
    order, here = made.order, places[name]
    struct.pack_into(order + "H", data, here, len(folder))
    for tag, value in sorted(folder.items()):
        entry = here + 2 + 12 * sorted(folder).index(tag)
        if isinstance(value, str):
            kind, count, content = 4, 1, struct.pack(order + "I", places[value])
        else:
            kind, count, content = value
            content = struct.pack(order + "I", places[name, tag]) if len(content) > 4 else content.ljust(4, b"\0")
        struct.pack_into(order + "HHI", data, entry, tag, kind, count)
        data[entry + 8 : entry + 12] = content
        sizes = {"main": {**MAIN_SIZES, ORIENTATION: 1}, "exif": EXIF_SIZES}.get(name, {})
        if tag in sizes:
            made.numbers.append((entry, sizes[tag]))
        if name == "second" and tag in (0x202, ORIENTATION, *SECOND):
            made.second.append(entry)
    link = here + 2 + 12 * len(folder)
    struct.pack_into(order + "I", data, link, places.get("second", 0) if name == "main" else 0)
    if name == "main":
        made.link = link


def complaints(drawn, out, width, height):
    """What a correction has done wrong, as sentences; an empty list when nothing."""
    if out is None or len(out) != len(drawn.data):
        return ["the block is missing or has another length"]
    allowed = drawn.may_differ()
    moved = [p for p in range(len(out)) if out[p] != drawn.data[p] and p not in allowed]
    found = [f"byte {place} changed" for place in moved]
    for entry, meaning in drawn.numbers:
        kind, count = struct.unpack_from(drawn.order + "HI", out, entry + 2)
        wanted = {"width": width, "height": height}.get(meaning, meaning)
        if kind not in FORM or count != 1 or struct.unpack_from(drawn.order + FORM[kind], out, entry + 8)[0] != wanted:
            found.append(f"the entry at {entry} does not say {wanted}")
    return found + (_about_thumbnail(drawn, out, width, height) if drawn.thumbnail else [])


def _about_thumbnail(drawn, out, width, height):
    start, length = drawn.thumbnail
    part = out[start : start + length]
    if struct.unpack_from(drawn.order + "I", out, drawn.link)[0] == 0:
        return ["the old thumbnail is still there"] if any(part) else []
    if part[:2] != b"\xff\xd8":
        return ["the thumbnail is no JPEG"]
    image = Image.open(io.BytesIO(part))
    image.load()
    found = []
    if abs(image.width / image.height - width / height) > width / height * (1 / image.height + 1 / image.width):
        found.append("the thumbnail has another shape")
    for entry in drawn.second:
        tag, kind, _ = struct.unpack_from(drawn.order + "HHI", out, entry)
        value = struct.unpack_from(drawn.order + FORM.get(kind, "I"), out, entry + 8)[0]
        end = part.rfind(b"\xff\xd9") + 2
        if kind not in FORM or value != {0x100: image.width, 0x101: image.height, ORIENTATION: 1, 0x202: end}[tag]:
            found.append(f"tag {tag:x} of the thumbnail says {value}")
    return found
