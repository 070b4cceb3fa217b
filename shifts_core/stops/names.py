"""Names of files of stops in the landing zone, and the regions that they are of."""

from pathlib import PurePosixPath

FOLDER = "stops/"
GTFS_NAME = "stops.txt"
FORMS = "stops/REGION.csv, stops/REGION.geojson or stops/REGION/stops.txt"
_SUFFIXES = (".csv", ".geojson")


def is_stop_file(name: str) -> bool:
    """Whether a file of the landing zone is one of stops; all others are files of trips."""
    return name.startswith(FOLDER)


def region_of(name: str) -> str:
    """Return the region whose stops a file has.

    Raises:
        ValueError: the name has none of the forms.
    """
    path = name.removeprefix(FOLDER)
    if path.endswith("/" + GTFS_NAME):
        return path.removesuffix("/" + GTFS_NAME)
    suffix = PurePosixPath(path).suffix.lower()
    region = path[: -len(suffix)] if suffix else path
    if suffix not in _SUFFIXES or not region or region.endswith("/"):
        raise ValueError(f"the name of a file of stops is {FORMS}")
    return region
