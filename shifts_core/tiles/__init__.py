"""Tiles: how the trips of a (region, week) pair are stored for counting, and how boxes are counted from them."""
