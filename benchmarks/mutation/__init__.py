"""Defects drawn by a seeded sampler and written into packages and devices: which of them are called, and where."""
