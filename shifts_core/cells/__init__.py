"""Cells: sets of at least k trips that are counted as a whole, so that no answer tells fewer trips apart.

`grid.py` has the boxes of cells, `partition.py` divides trips into cells, `pools.py` joins small files,
`generalise.py` replaces each trip by the centre of its cell's box, and `boxes.py` draws the cells that were counted.
"""
