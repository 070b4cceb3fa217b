"""A call of `shifts_store.post_trips` in SQL, for one trip."""

import numpy as np

from shifts_core.tiles.build import build_tiles


def post_trip(key: str, fingerprint: str) -> str:
    """A statement that posts a trip in Turin on 2018-05-28.

    Args:
        key: the idempotency key, as a SQL expression.
        fingerprint: of the request, as a SQL expression.
    """
    (tile,) = build_tiles(np.array([[7.6, 45.0, 7.7, 45.0]]), np.array([9 * 60 + 3], np.uint16))
    tiles = ", ".join(
        rf"ARRAY['\x{value.hex()}'::bytea]" for value in (tile.leaves, tile.high_bits, tile.low_bits)
    )
    return (
        "SELECT shifts_store.post_trips('{Turin}', '{baba_car}', '{2018-05-28 09:03:40}', '{7.6}', '{45}', '{7.7}',"
        f" '{{45}}', '{{Turin}}', '{{2018-05-28}}', '{{0}}', '{{1}}', {tiles},"
        f" shifts_store.prepare_trips('{{2018-05-28}}', 1), 100, {key}, {fingerprint})"
    )
