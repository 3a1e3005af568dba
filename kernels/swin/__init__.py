"""SwinIR: the fused Swin Transformer block and the network around it."""
