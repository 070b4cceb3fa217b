"""Tiles: the storage format of a (region, week) pair's trips, and exact counting of boxes from it.

`format.py` describes the bytes, `codec.py` encodes and decodes them, `build.py` makes the tiles of a pair. The other
modules count: `box_count.py` is the entry point.
"""
