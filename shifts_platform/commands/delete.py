"""`shifts delete`: deletes a dropped file, its trips and all that was computed from them."""

from typing import Any

import click
import httpx
from rich.console import Console

from shifts_platform.errors import PlatformError
from shifts_platform.feed_client import follow_feed
from shifts_platform.settings import PlatformSettings, load_settings

_TIMEOUT_S = 30


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--keep-copies", is_flag=True, help="Keep files with the same bytes under other names, and the trips."
)
def delete(name: str, *, yes: bool, keep_copies: bool) -> None:
    """Delete the file NAME of the landing zone, its trips and all that was computed from them.

    Files with the same bytes under other names are deleted, too. The same bytes are refused from then on.
    """
    settings = load_settings()
    newest = _find(settings, name)
    copies = "its copies keep the trips" if keep_copies else "with its copies under other names"
    # SHIFTS_MIN_COUNT withholds numbers from all but admins.
    trips = "its trips" if newest["rows_loaded"] is None else f"{newest['rows_loaded']:,} trips"
    question = f"Delete {name}, {trips}, {copies}? They cannot be recovered"
    if not (yes or click.confirm(question)):
        raise PlatformError("nothing was deleted")
    asked: dict[str, Any] = {}
    with Console(stderr=True).status(f"deleting {name}"):
        for event in follow_feed(settings.api_url, "file.deleted", settings.api_headers):
            if event is None:
                path = f"/files/{newest['file_id']}?copies={'keep' if keep_copies else 'delete'}"
                asked = _call(settings, "DELETE", path)
            elif event.data.get("file_id") == asked["file_id"]:
                break
    click.echo(f"deleted {', '.join([name, *asked['copies']])}")


def _find(settings: PlatformSettings, name: str) -> dict[str, Any]:
    """The version of a file to name in the question: the loaded one, or else the newest."""
    files = _call(settings, "GET", f"/files?{httpx.QueryParams(name=name)}")["files"]
    left: list[dict[str, Any]] = [file for file in files if file["status"] != "deleted"]
    if not left:
        raise PlatformError(f"{name} was deleted before" if files else f"there is no file {name}")
    return next((file for file in left if file["status"] == "loaded"), left[0])


def _call(settings: PlatformSettings, method: str, path: str) -> dict[str, Any]:

    url = f"{settings.api_url}/api/v1{path}"
    try:
        response = httpx.request(method, url, headers=settings.api_headers, timeout=_TIMEOUT_S)
    except httpx.TransportError as error:
        raise PlatformError(
            f"no answer from {settings.api_url} ({error}): start the platform with `shifts up`"
        ) from None
    if response.is_error:
        raise PlatformError(response.json()["message"])
    found: dict[str, Any] = response.json()
    return found
