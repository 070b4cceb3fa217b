"""Links between partitions in the Dagster UI: from a file to its weeks, and from a week to its files."""

from collections.abc import Iterable, Sequence
from datetime import date
from urllib.parse import quote

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.display_text import markdown_code
from shifts_pipeline.partitions import to_key

MAX_INLINE_CHARS = 999
"""The UI shows longer Markdown only after a click."""
_MAX_NAME_CHARS = 80
_ROOM_FOR_COUNT = 30


def week_links(asset_key: dg.AssetKey, weeks: Sequence[date]) -> dg.MarkdownMetadataValue:
    """Return links to an asset's partitions of some weeks, given by their Mondays in ascending order.

    The first weeks are linked, as many as the UI shows inline; the others are counted.
    """
    return _links(
        ((f"{week:%G-W%V}", _partition_path(asset_key, week.isoformat())) for week in weeks), len(weeks)
    )


def file_links(names: Sequence[str], file_count: int) -> dg.MarkdownMetadataValue:
    """Return links to the partitions of files in the asset `raw_trips`.

    Args:
        names: names of files in the order in which they are linked, as many as the UI shows inline.
        file_count: number of all files; those without a link are counted.
    """
    return _links(
        ((markdown_code(name, _MAX_NAME_CHARS), _partition_path(RAW_TRIPS, to_key(name))) for name in names),
        file_count,
    )


def _links(labels_and_paths: Iterable[tuple[str, str]], count: int) -> dg.MarkdownMetadataValue:
    """Links that fit inline, at least one, and the number of the others; `none` without any."""
    links: list[str] = []
    free = MAX_INLINE_CHARS - _ROOM_FOR_COUNT
    for label, path in labels_and_paths:
        link = f"[{label}]({path})"
        free -= len(link) + len(", ")
        if links and free < 0:
            break
        links.append(link)
    more = count - len(links)
    return dg.MetadataValue.md((", ".join(links) or "none") + (f" and {more:,} more" if more > 0 else ""))


def _partition_path(asset_key: dg.AssetKey, partition: str) -> str:
    """The UI's page of a partition, as a path on the server that shows the link."""
    return f"/assets/{asset_key.to_user_string()}?view=partitions&partition={quote(partition, safe='')}"
