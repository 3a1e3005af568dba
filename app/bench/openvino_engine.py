"""OpenVINO on the whole picture, and tile by tile, which suits the caches and is the kinder comparison to it."""

import numpy as np

from .case import Case, onnx_file

TILE = 64  # pixels; tiles do not overlap: a real use would compute a halo twice, and be slower
NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


def openvino_whole(case: Case, hint):
    """One inference of the whole picture.

    Parameters
    ----------
    case : Case
    hint : str or None
        OpenVINO's INFERENCE_PRECISION_HINT; None leaves the choice to it.

    Returns
    -------
    run : callable
        () -> ndarray, (1, channels, sH, sW).
    precision : str
        What OpenVINO says that it computes in.
    """
    infer, precision = _compiled(case, *case.size, hint)
    return lambda: infer(case.x).copy(), precision


def openvino_tiled(case: Case, hint):
    """The picture in tiles of 64 x 64 without overlap, by one network compiled for that size; as `openvino_whole`.

    Where a side is no multiple of 64, its last row or column is repeated; a smaller picture is a smaller tile.
    """
    height, width = case.size
    rows, columns = tile_size(case)
    infer, precision = _compiled(case, rows, columns, hint)

    def run():
        x = np.pad(case.x, ((0, 0), (0, 0), (0, -height % rows), (0, -width % columns)), mode="edge")
        bands = []
        for top in range(0, height, rows):
            tiles = (x[:, :, top : top + rows, left : left + columns] for left in range(0, width, columns))
            bands.append(np.concatenate([infer(np.ascontiguousarray(tile)).copy() for tile in tiles], axis=3))
        y = np.concatenate(bands, axis=2)  # (1, channels, s 64 m, s 64 n)
        scale = y.shape[2] / x.shape[2]
        return y[:, :, : int(scale * height), : int(scale * width)]

    return run, precision


def tile_size(case):
    """(H, W) of a tile."""
    return min(TILE, case.size[0]), min(TILE, case.size[1])


def _compiled(case, height, width, hint):
    import openvino  # pyright: ignore[reportMissingImports]

    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": case.threads} | ({"INFERENCE_PRECISION_HINT": hint} if hint else {})
    compiled = core.compile_model(core.read_model(str(onnx_file(case, height, width))), "CPU", options)
    request = compiled.create_infer_request()
    chosen = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return lambda x: request.infer({0: x})[0], NAMES.get(chosen, chosen)
