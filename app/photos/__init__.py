"""Photographs: read, carried over, upscaled and written with everything that they hold."""
