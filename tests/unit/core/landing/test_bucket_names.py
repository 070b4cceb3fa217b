"""URLs of buckets and names of objects are checked before any request."""

import pytest

from shifts_core.landing.bucket import BucketLandingZone
from shifts_core.landing.errors import InvalidPath, LandingZoneError
from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.zone import LandedFile


@pytest.mark.parametrize(
    "url", ["gs://bucket", "gs://bucket/", "gs://a.b-c_1/landing/2018/", "gs://abc/ü ?#"]
)
def test_a_bucket_with_or_without_a_prefix_is_a_landing_zone(url: str) -> None:
    assert isinstance(open_zone(url), BucketLandingZone)


@pytest.mark.parametrize(
    "url",
    [
        "gs://",
        "gs:///x",
        "gs://Bucket/x",
        "gs://b/x",
        "gs://bucket//x",
        "gs://bucket/a//b",
        "gs://bucket/../x",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(LandingZoneError, match="not of the form gs://bucket/prefix"):
        open_zone(url)


@pytest.mark.parametrize("name", ["../a.csv", "a//b", "/a", "", ".", "a\0b", "a/", "\udcff.csv"])
def test_names_that_lead_out_of_the_zone_are_refused(name: str) -> None:
    zone = open_zone("gs://bucket/prefix")
    for refused in (
        lambda: zone.find(name),
        zone.write(name).__enter__,
        zone.open(LandedFile(name, "", "1", 1)).__enter__,
    ):
        with pytest.raises(InvalidPath, match="not a path below the landing zone"):
            refused()
