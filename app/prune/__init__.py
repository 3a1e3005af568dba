"""`karat prune`: heads, channels and weights that go, on the command line."""
