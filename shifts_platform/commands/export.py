"""`shifts export`: what the platform has computed, as files for other tools."""

from pathlib import Path

import click
import httpx

from shifts_platform.errors import PlatformError
from shifts_platform.settings import load_settings

_TIMEOUT_S = 60


@click.group()
def export() -> None:
    """Write results as files for other tools."""


@export.command()
@click.option("--region", required=True, help="Name of the region.")
@click.option("--week", help="ISO week (2018-W22) or one of its days.  [default: the newest]")
@click.option("--timezone", default="UTC", show_default=True, help="Of the trips' wall clock.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .zip file.")
def gtfs(region: str, week: str | None, timezone: str, out: Path) -> None:
    """Write the shifts of a region as a GTFS feed."""
    parameters = {"region": region, "timezone": timezone} | ({"week": week} if week else {})
    try:
        settings = load_settings()
        url = f"{settings.api_url}/api/v1/gtfs"
        answer = httpx.get(url, params=parameters, headers=settings.api_headers, timeout=_TIMEOUT_S)
    except httpx.HTTPError:
        raise PlatformError("the platform is not running: start it with `shifts up`") from None
    if not answer.is_success:
        try:
            message = str(answer.json()["message"])
        except (ValueError, KeyError):
            message = f"the platform answers {answer.status_code}"
        raise PlatformError(message)
    part = out.with_name(out.name + ".part")
    try:
        part.write_bytes(answer.content)
        part.replace(out)
    except OSError as error:
        raise PlatformError(f"{out}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"written to {out}")
