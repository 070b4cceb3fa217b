"""Where files are dropped: one interface, a folder and a bucket behind it."""
