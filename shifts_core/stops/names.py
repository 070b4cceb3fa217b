"""Names of files of stops in the landing zone, and the regions that they are of."""

from shifts_core.landing import reference_files

GTFS_NAME = "stops.txt"
FORMS = "stops/REGION.csv, stops/REGION.geojson or stops/REGION/stops.txt"
_SUFFIXES = (".csv", ".geojson")


def region_of(name: str) -> str:
    """Return the region whose stops a file has.

    Raises:
        ValueError: the name has none of the forms.
    """
    if name.endswith("/" + GTFS_NAME) and name != f"stops/{GTFS_NAME}":
        return name.removeprefix("stops/").removesuffix("/" + GTFS_NAME)
    return reference_files.region_of(name, "stops", _SUFFIXES, FORMS)
