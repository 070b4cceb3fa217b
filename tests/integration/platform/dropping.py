"""Files dropped into the landing folder of a running platform, and the answers that count them."""

from shifts_platform.feed_client import FeedEvent
from tests.integration.platform.running import RunningPlatform

WHOLE_WORLD = {"nortest": "180,90", "southest": "-180,-90"}


def is_loaded(name: str, event: FeedEvent) -> bool:
    """Whether the event ends the load of a file."""
    return event.type in ("file.loaded", "file.failed") and event.data["partition"] == name


def drop(platform: RunningPlatform, name: str, text: str) -> list[FeedEvent]:
    """Copies a file into the landing folder as `cp` does; returns its events."""
    return platform.follow(
        lambda: (platform.landing / name).write_text(text), lambda event: is_loaded(name, event)
    )


def mean(platform: RunningPlatform, region: str) -> object:
    """Trips a week of a region."""
    return platform.get("/trips/stats", region=region, **WHOLE_WORLD)["mean"]
