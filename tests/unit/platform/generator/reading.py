"""Reads generated CSV with pandas."""

import io

import pandas as pd

from shifts_platform.generator.csv_file import csv_blocks


def complete_csv(trips: int, *, seed: int = 1, weeks: int = 5, bad_share: float = 0.0) -> bytes:
    return b"".join(lines for _, lines in csv_blocks(trips, seed=seed, weeks=weeks, bad_share=bad_share))


def read_frame(csv: bytes) -> pd.DataFrame:
    """Return columns region, datasource, 0 to 3 (origin and destination, longitude and latitude) and moment."""
    frame = pd.read_csv(io.BytesIO(csv), dtype=str, keep_default_na=False)
    assert list(frame) == ["region", "origin_coord", "destination_coord", "datetime", "datasource"]
    for first, column in ((0, "origin_coord"), (2, "destination_coord")):
        numbers = frame.pop(column).str.extract(r"^POINT \((-?\d+\.\d{6}) (-?\d+\.\d{6})\)$")
        frame[[first, first + 1]] = numbers.map(float)
    frame["moment"] = pd.to_datetime(frame.pop("datetime"), format="%Y-%m-%d %H:%M:%S")
    return frame
