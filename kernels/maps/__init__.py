"""Feature maps of 4 x 4 patches: convolutions, LayerNorm and shuffles of them."""
