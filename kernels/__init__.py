"""What is fast: numba kernels that agree with the golden reference."""
