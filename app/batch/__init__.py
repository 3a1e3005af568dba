"""Many photographs at once: what will be done is known before it is begun, and what was done is written down."""
