"""What was written by each library is read again: every pixel of the lossless formats."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from photo_files import avif, chunk, heic, numbers, pictures, pillow, png, smooth, tiff, with_chunk
from PIL import Image

from karat import BadInput
from karat.app.photos.read import read_header, read_photo, sniff


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Read bytes as a file of no telling name; header and photo have to agree."""
    path = tmp_path_factory.mktemp("photos") / "photo.of some.name"

    def reader(content):
        path.write_bytes(content)
        header, photo = read_header(path), read_photo(path)
        assert (header.height, header.width, header.channels) == photo.pixels.shape
        assert (header.bits, header.format) == (photo.bits, photo.format)
        assert photo.pixels.flags.c_contiguous
        assert photo.pixels.dtype == (np.uint8 if photo.bits == 8 else np.uint16)
        return photo

    return reader


def same(photo, pixels, form, bits=8):
    assert (photo.format, photo.bits) == (form, bits)
    np.testing.assert_array_equal(photo.pixels, pixels)


@given(pictures())
def test_png_of_8_bits(read, pixels):
    same(read(pillow(pixels, "PNG")), pixels, "PNG")


@given(pictures(bits=16))
def test_png_of_16_bits(read, pixels):
    same(read(png(pixels)), pixels, "PNG", 16)


@given(pictures(channels=(3, 4)))
def test_webp(read, pixels):
    assume(pixels.shape[2] == 3 or (pixels[..., 3] < 255).any())  # libwebp writes no alpha where all is opaque
    same(read(pillow(pixels, "WEBP", lossless=True, exact=True)), pixels, "WebP")


@given(pictures(channels=(1, 3)), st.booleans())
def test_jpeg_is_what_libjpeg_decodes(read, pixels, progressive):
    import imagecodecs

    content = pillow(pixels, "JPEG", quality=90, progressive=progressive)
    same(read(content), imagecodecs.jpeg8_decode(content).reshape(pixels.shape), "JPEG")


@given(st.sampled_from([8, 10, 12]).flatmap(lambda bits: st.tuples(pictures(bits=bits, least=2), st.just(bits))))
def test_avif(read, drawn):
    pixels, bits = drawn
    same(read(avif(pixels, bits)), pixels, "AVIF", bits)


@given(
    st.sampled_from([8, 10, 12]).flatmap(lambda bits: st.tuples(pictures((3, 4), bits=bits, least=16), st.just(bits)))
)
def test_heic(read, drawn):
    pixels, bits = drawn
    same(read(heic(pixels, bits)), pixels, "HEIC", bits)


LAYOUTS = [
    {"compression": None}, {"compression": "zlib", "predictor": True}, {"compression": "lzw"},
    {"compression": "packbits"}, {"compression": "zstd"}, {"compression": "lzma"},
    {"tile": (16, 16)}, {"tile": (32, 16), "compression": "zlib"}, {"planarconfig": "separate"},
    {"planarconfig": "separate", "compression": "lzw", "predictor": True}, {"rowsperstrip": 3}, {"bigtiff": True},
    {"planarconfig": "separate", "tile": (16, 32)},
]  # fmt: skip


@given(
    st.sampled_from([8, 16]).flatmap(lambda bits: st.tuples(pictures(bits=bits), st.just(bits))),
    st.sampled_from(LAYOUTS),
    st.sampled_from(["<", ">"]),
)
def test_tiff(read, drawn, layout, order):
    pixels, bits = drawn
    if pixels.shape[2] == 1:
        layout = {key: value for key, value in layout.items() if key != "planarconfig"}
    same(read(tiff(pixels, byteorder=order, **layout)), pixels, "TIFF", bits)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_bilevel_becomes_black_and_white(read, form):
    pixels = numbers(13, 21, 1) > 99
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(content, form)
    same(read(content.getvalue()), pixels.astype(np.uint8) * 255, form)


def test_a_fax_is_read(read):
    pixels = numbers(13, 21, 1) > 99
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(content, "TIFF", compression="group4")
    same(read(content.getvalue()), pixels.astype(np.uint8) * 255, "TIFF")


def small_grey_png(values, bits):
    """A grey PNG of 2 or 4 bits: nobody writes one, so the chunks are put together here."""
    unpacked = np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(len(values), -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(unpacked, axis=1))
    head = struct.pack(">IIBBBBB", *values.shape[::-1], bits, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_of_grey_are_spread(read, bits):
    values = numbers(9, 17, 1) % 2**bits
    same(read(small_grey_png(values[..., 0], bits)), values * (255 // (2**bits - 1)), "PNG")


def palette(values, colors, **options):
    image = Image.frombytes("P", values.shape[1::-1], values.tobytes())
    image.putpalette(colors.tobytes())
    content = io.BytesIO()
    image.save(content, **options)
    return content.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_palette(read, form):
    colors, values = numbers(1, 200, 3)[0], numbers(9, 17, 1)[..., 0] % 200
    same(read(palette(values, colors, format=form)), colors[values], form)


def test_palette_with_transparency(read):
    colors, values = numbers(1, 200, 3)[0], numbers(9, 17, 1)[..., 0] % 200
    alpha = numbers(1, 200, 1, seed=1)[0]
    content = palette(values, colors, format="PNG", transparency=alpha.tobytes())
    same(read(content), np.concatenate([colors, alpha], axis=1)[values], "PNG")


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_of_greys_stays_grey(read, transparent):
    greys, values = numbers(1, 200, 1)[0], numbers(9, 17, 1)[..., 0] % 200
    alpha = numbers(1, 200, 1, seed=1)[0]
    options = {"transparency": alpha.tobytes()} if transparent else {}
    expected = np.concatenate([greys, alpha], axis=1)[values] if transparent else greys[values]
    same(read(palette(values, np.repeat(greys, 3, axis=1), format="PNG", **options)), expected, "PNG")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_transparent_colour(read, bits, channels):
    pixels = numbers(9, 17, channels, bits)
    key = pixels[4, 7]
    photo = read(with_chunk(png(pixels), b"tRNS", key.astype(">u2").tobytes()))
    alpha = np.where((pixels == key).all(axis=2, keepdims=True), 0, 2**bits - 1)
    same(photo, np.concatenate([pixels, alpha], axis=2), "PNG", bits)
    assert photo.pixels[4, 7, -1] == 0


def test_cmyk_without_a_profile(read):
    inks = numbers(9, 17, 4)
    photo = read(tiff(inks, photometric="separated", extrasamples=None))
    light = 255.0 - inks
    exact = light[..., :3] * light[..., 3:] / 255
    assert np.abs(photo.pixels - exact).max() <= 0.5  # rounded to the nearest
    assert any("approximate" in note for note in photo.notes)


def test_cmyk_jpeg(read):
    inks = np.repeat(np.repeat(numbers(4, 4, 4), 16, axis=0), 16, axis=1)
    content = io.BytesIO()
    Image.fromarray(inks, "CMYK").save(content, "JPEG", quality=100, subsampling=0)
    decoded = np.asarray(Image.open(content)).astype(float)
    exact = (255 - decoded[..., :3]) * (255 - decoded[..., 3:]) / 255
    assert np.abs(read(content.getvalue()).pixels - exact).max() <= 0.5


def test_white_is_zero(read):
    pixels = numbers(9, 17, 1, 16)
    same(read(tiff(pixels, photometric="miniswhite")), 65535 - pixels, "TIFF", 16)


@pytest.mark.parametrize("bits", [8, 16])
def test_premultiplied_alpha_is_divided_out(read, bits):
    straight, most = numbers(9, 17, 4, bits), 2**bits - 1
    alpha = straight[..., 3:].astype(float)
    multiplied = np.concatenate([np.round(straight[..., :3] * alpha / most), alpha], axis=2).astype(straight.dtype)
    photo = read(tiff(multiplied, extrasamples=["assocalpha"]))
    np.testing.assert_array_equal(photo.pixels[..., 3], straight[..., 3])
    # the product was rounded by half a step at most, and the quotient again
    bound = np.where(alpha > 0, 0.5 * most / np.maximum(alpha, 1) + 0.5, most)
    assert (np.abs(photo.pixels[..., :3].astype(float) - straight[..., :3]) <= bound).all()


def test_channels_that_are_no_transparency_are_left_out(read):
    pixels = numbers(9, 17, 4)
    photo = read(tiff(pixels, extrasamples=["unspecified"]))
    same(photo, pixels[..., :3], "TIFF")
    assert any("not transparency" in note for note in photo.notes)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_of_a_tiff(read, bits):
    pixels = numbers(8, 16, 1, bits)
    photo = read(tiff(pixels, bitspersample=bits))
    kept = 16 if bits == 14 else bits
    exact = pixels * ((2**kept - 1) / (2**bits - 1))
    assert photo.bits == kept
    assert np.abs(photo.pixels - exact).max() <= 0.5


def test_jpeg_in_a_tiff(read):
    pixels = smooth(64, 48)
    photo = read(pillow(pixels, "TIFF", compression="jpeg", quality=95))
    assert np.abs(photo.pixels.astype(int) - pixels).mean() < 4  # lossy; a wrong colour model is off by dozens


@pytest.mark.parametrize("form", ["PNG", "WebP", "TIFF", "AVIF", "HEIC"])
def test_of_several_pictures_the_first_is_read_and_it_is_said(read, form):
    first, second = smooth(32, 48), 255 - smooth(32, 48)
    content = io.BytesIO()
    options = {"PNG": {}, "WebP": {"lossless": True}, "TIFF": {}, "AVIF": {"quality": 100}, "HEIC": {}}[form]
    if form == "HEIC":
        import pillow_heif

        file = pillow_heif.from_pillow(Image.fromarray(first))
        file.add_from_pillow(Image.fromarray(second))
        file.save(content, quality=-1, chroma=444, matrix_coefficients=0)
    else:
        more = [Image.fromarray(second)]
        Image.fromarray(first).save(content, form, save_all=True, append_images=more, **options)
    photo = read(content.getvalue())
    assert np.abs(photo.pixels.astype(int) - first).mean() < 4
    assert len(photo.notes) == 1
    assert "first" in photo.notes[0] or "sequence" in photo.notes[0]


def test_content_and_not_the_name_says_what_a_file_is(tmp_path):
    pixels = smooth(20, 30)
    files = {"a.heic": pillow(pixels, "PNG"), "b.png": tiff(pixels), "ä\udcff -.jpg": avif(pixels)}
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        np.testing.assert_array_equal(read_photo(path).pixels, pixels)


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"GIF89a", "a GIF"), (b"BM\0\0", "a BMP"), (b"hello, world", "no known type"), (b"%PDF-1.7", "a PDF")],
)
def test_other_types_are_named(head, name):
    with pytest.raises(BadInput, match=name):
        sniff(head)
