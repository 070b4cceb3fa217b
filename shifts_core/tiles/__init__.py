"""Tiles: how the trips of a (region, week) pair are stored for counting, and how boxes are counted from them.

The trips of a pair are put into an order in which neighbours are near each other on the map, and cut into tiles, and
tiles into leaves of 998 trips; only the last leaf of a pair may be shorter. A row of `weekly_trip_tiles` holds a tile
in three columns of little-endian numbers:

`leaves`, 72 bytes a leaf (`encode.LEAF`)
    low     4 float64   smallest origin longitude and latitude, destination longitude and latitude; degrees
    high    4 float64   largest ones
    trips   uint32      number of trips
    digits  4 uint8     decimals of each coordinate: 5, 6 or 7, or 0
`high_bits`
    offset >> shift as uint16: origin longitudes of all trips of a leaf, then origin latitudes, destination longitudes
    and latitudes
`low_bits`
    the lowest `shift` bits of the offsets in as many bytes as needed, mostly none, in the same order

Each coordinate of a leaf has integer keys in the order of its values: value * 10^digits where that many decimals
represent the values of all trips of the leaf exactly, else the bits of the float64 as a signed integer, with all bits
but the sign inverted for negative values. An `offset` is a key minus the key of `low`; `shift` is the number of bits
of the largest offset beyond 15.
"""
