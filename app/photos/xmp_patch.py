"""XMP corrected as text: orientation and sizes; every other byte stays.

Properties: XMP specification part 2 (Adobe, 2016), sections 3.2 (Exif) and 3.3 (TIFF).
"""

import re

TIFF, EXIF = b"http://ns.adobe.com/tiff/1.0/", b"http://ns.adobe.com/exif/1.0/"


def correct_xmp(packet, width, height):
    """Set orientation and sizes in a packet, as attributes or as elements.

    Parameters
    ----------
    packet : bytes
        In UTF-8.
    width, height : int
        Of the result.

    Returns
    -------
    packet : bytes
    notes : tuple of str

    Examples
    --------
    >>> text = b'<d xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:ImageWidth=\\'40\\'/>'
    >>> correct_xmp(text, 1600, 900)[0].decode()
    '<d xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="1" tiff:ImageWidth=\\'1600\\'/>'
    """
    if packet[:2] in (b"\xfe\xff", b"\xff\xfe") or b"\0<\0" in packet[:64] or b"<\0" in packet[:64]:
        return None, ("the XMP packet is not in UTF-8, so its sizes cannot be corrected and it is left out",)
    values = {
        TIFF: {b"Orientation": 1, b"ImageWidth": width, b"ImageLength": height},
        EXIF: {b"PixelXDimension": width, b"PixelYDimension": height},
    }
    for space, properties in values.items():
        for prefix in set(re.findall(rb"xmlns:([A-Za-z_][\w.-]*)\s*=\s*[\"']" + re.escape(space) + rb"[\"']", packet)):
            for name, value in properties.items():
                packet = _set_property(packet, prefix + b":" + name, b"%d" % value)
    return packet, ()


def _set_property(packet, name, value):
    name = re.escape(name)
    packet = re.sub(rb"(\s" + name + rb"\s*=\s*[\"'])\s*\d+\s*(?=[\"'])", rb"\g<1>" + value, packet)
    return re.sub(rb"(<" + name + rb"(?:\s[^<>]*)?>)\s*\d+\s*(?=</" + name + rb"\s*>)", rb"\g<1>" + value, packet)
