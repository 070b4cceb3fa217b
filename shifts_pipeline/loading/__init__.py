"""From the bytes of a dropped file to committed rows: `load_file` is the way in, the rest are its pure pieces."""
