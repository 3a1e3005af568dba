"""Runs fused Swin Transformer blocks over a feature map, window row by window row."""

import numpy as np

from ..memory import address, aligned, laid_out
from ..threads import run_each
from .attention import SCORE_ROW
from .block import PLACE, swin_row_bfloat16, swin_row_float32
from .pack import mask_panels, patchwise
from .window import PANEL

ROW_KERNELS = {"float32": swin_row_float32, "bfloat16": swin_row_bfloat16}


class SwinBlocks:
    """Blocks of one window size, ready for pictures of one size.

    Parameters
    ----------
    layers : sequence of SwinLayer
        All of the network's; the scratch fits the largest.
    precision : {"float32", "bfloat16"}
    threads : int
    """

    def __init__(self, layers, precision, threads):
        self.kernel = ROW_KERNELS[precision]
        self.threads = threads
        window, shift = layers[0].window, max(layer.shift for layer in layers)
        self.window = window
        self.panels = -(-window * window // PANEL)
        self.mask = mask_panels(layers[0].channels, window, shift) if shift else np.zeros(0, np.float32)
        keys, start = self.panels * PANEL, self.panels * max(layer.panel_bytes for layer in layers)
        sizes = {
            "s": keys * SCORE_ROW,
            "p": keys // 2 * SCORE_ROW if precision == "bfloat16" else 0,
            "masked": keys * keys * 4 if shift else 0,
            "offsets": 8 * window * window,
        }
        self.parts, self.scratch_bytes = laid_out(sizes, start)
        if precision == "float32":
            self.parts["p"] = self.parts["s"]  # in place

    def workers(self, height):
        """Threads that find something to do: one for a row of windows at most."""
        return min(self.threads, -(-height // self.window))

    def scratch(self, height):
        """Memory of every thread for one picture: pictures that are computed at the same time must not share it."""
        return [aligned(self.scratch_bytes, np.uint8) for _ in range(self.workers(height))]

    def __call__(self, layer, feature_map, size, scratch):
        """Take a (H/4, W/4, C, 16) map through a block, in place; size is (H, W), multiples of the window."""
        height, width = size
        place = PLACE.pack(
            map=address(feature_map),
            block_rows=feature_map.shape[0],
            block_columns=feature_map.shape[1],
            height=height,
            width=width,
            window=self.window,
            columns=width // self.window,
            last_row=height // self.window - 1,
            shift=layer.shift,
            patches=self.window**2 // 16 if patchwise(layer.channels, self.window, layer.shift) else 0,
            tokens=self.window**2,
            panels=self.panels,
            mask=address(self.mask),
            **self.parts,
        )

        def window_row(row, thread):
            self.kernel(address(layer.words), address(place), address(scratch[thread]), row)

        run_each(self.threads, height // self.window, window_row)
