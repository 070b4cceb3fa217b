"""Files of zones: reading them into the database."""

import json
from dataclasses import dataclass

import psycopg
import shapely

from shifts_core.landing import reference_files
from shifts_core.landing.zone import LandedFile
from shifts_core.zones import parse_zones

FORMS = "zones/REGION.geojson"


@dataclass(frozen=True)
class ZoneFiles:
    """Reads feature collections of zones."""

    max_bytes: int = 64 * 1024**2

    def region_of(self, name: str) -> str:
        """Whose zones a file has."""
        return reference_files.region_of(name, "zones", (".geojson",), FORMS)

    def replace(self, connection: psycopg.Connection, file: LandedFile, region: str, content: bytes) -> None:
        """The zones of the file in place of those of the version before."""
        if len(content) > self.max_bytes:
            raise ValueError(f"the file is larger than {self.max_bytes // 1024**2} MiB")
        try:
            value = json.loads(content)
        except RecursionError:
            raise ValueError("the file is not GeoJSON") from None
        except ValueError as error:
            raise ValueError(f"the file is not GeoJSON: {error}") from None
        zones = parse_zones(value, region)
        connection.execute(
            "SELECT shifts_store.replace_zones(%s, %s, %s, %s::text[], %s::bytea[])",
            [
                file.name,
                file.version,
                region,
                [zone.name for zone in zones],
                [shapely.to_wkb(zone.area) for zone in zones],
            ],
        )

    def fail(self, connection: psycopg.Connection, file: LandedFile, region: str | None, error: str) -> None:
        """The zones of the version before stay."""
        connection.execute(
            "SELECT shifts_store.fail_zones(%s, %s, %s, %s)", [file.name, file.version, region, error]
        )

    def delete(self, connection: psycopg.Connection, name: str) -> None:
        """The zones of the file are gone."""
        connection.execute("SELECT shifts_store.delete_zone_file(%s)", [name])
