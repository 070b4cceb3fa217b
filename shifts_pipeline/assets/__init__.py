"""The assets: one file each, read with the pure modules they call."""
