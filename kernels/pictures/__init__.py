"""Pictures in parts: tiles with a halo, fixed tiles, and what seams cost."""
