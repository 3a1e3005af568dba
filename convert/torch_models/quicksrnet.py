"""QuickSRNet in PyTorch: the twin whose ``state_dict`` keys are those of the released checkpoints (AIMET model zoo)."""

from torch import Tensor, nn


class Anchor(nn.Module):
    """The input-to-output connection: a convolution of the network's input, added before the last clip."""

    def __init__(self, subpixel: int, strided: bool):
        super().__init__()
        # x1.5 leaves on half the input's grid, so its anchor strides over the input by two
        kernel, stride, padding = (3, 2, 1) if strided else (1, 1, 0)
        self.net = nn.Conv2d(3, 3 * subpixel**2, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Add(nn.Module):
    """Elementwise sum, a module of its own because the released networks name it (``add_op``)."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class QuickSRNet(nn.Module):
    """QuickSRNet fX-mY: plain 3x3 convolutions, each clipped to [0, 1], and one sub-pixel convolution.

    Parameters
    ----------
    features : int
        Feature channels X (small and medium 32, large 64).
    layers : int
        Convolutions Y between the first and the last (small 2, medium 5, large 11).
    scale : int or float
        2, 3, 4, ... or 1.5. For 1.5 the features go through a pixel unshuffle by 2 and a 1x1 sub-pixel step of 3.
    input_to_output : bool
        Add a learnt convolution of the input before the last clip, as the released large network does.
    average : bool
        Close with 2x2 average pooling: behind scale 3 this is the baseline that the x1.5 network is compared with.

    Raises
    ------
    ValueError
        For a scale that is neither a whole number nor 1.5.

    References
    ----------
    G. Berger et al., "QuickSRNet: Plain Single-Image Super-Resolution Architecture for Faster Inference on Mobile
    Platforms", CVPR Workshops 2023, section 3. arXiv:2303.04336

    Examples
    --------
    >>> import torch
    >>> QuickSRNet(features=8, layers=1, scale=3)(torch.zeros(1, 3, 4, 5)).shape
    torch.Size([1, 3, 12, 15])
    """

    def __init__(
        self,
        features: int = 32,
        layers: int = 5,
        scale: float = 2,
        input_to_output: bool = False,
        average: bool = False,
    ):
        super().__init__()
        if scale != 1.5 and (scale != int(scale) or scale < 1):
            raise ValueError(f"QuickSRNet exists for whole scales and 1.5, not for {scale}; choose one of those")
        half = scale == 1.5
        subpixel = 3 if half else int(scale)
        convs: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.Hardtanh(0.0, 1.0)]
        for _ in range(layers):
            convs += [nn.Conv2d(features, features, 3, padding=1), nn.Hardtanh(0.0, 1.0)]
        self.cnn = nn.Sequential(*convs)
        self.conv_last = nn.Conv2d(4 * features, 27, 1) if half else nn.Conv2d(features, 3 * subpixel**2, 3, padding=1)
        self.anchor = Anchor(subpixel, strided=half) if input_to_output else None
        self.add_op = Add() if input_to_output else None
        self.space_to_depth = nn.PixelUnshuffle(2) if half else None
        self.clip_output = nn.Hardtanh(0.0, 1.0)
        self.depth_to_space = nn.PixelShuffle(subpixel)
        self.average_pool = nn.AvgPool2d(2) if average else None

    def subpixels(self, x: Tensor) -> Tensor:
        """Everything before the last clip, which is where training takes its loss: a clipped pixel has no gradient."""
        features = self.cnn(x)  # (N, X, H, W)
        if self.space_to_depth is not None:
            features = self.space_to_depth(features)  # (N, 4X, H/2, W/2)
        y = self.conv_last(features)  # (N, 3 s^2, H, W)
        if self.anchor is not None and self.add_op is not None:
            y = self.add_op(y, self.anchor(x))
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Upscale x, (N, 3, H, W) in [0, 1], to (N, 3, sH, sW)."""
        y = self.depth_to_space(self.clip_output(self.subpixels(x)))
        return y if self.average_pool is None else self.average_pool(y)
