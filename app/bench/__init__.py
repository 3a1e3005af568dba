"""``karat bench``: engines side by side in one run, with their errors, their memory and the processor's roof."""
