"""What kernels are made of: vector instructions, tiles of products, functions of a vector, Winograd's transforms."""
