"""`shifts delete` on a running platform: a file is gone at once, then refused, and `--again` brings it back."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.pipeline.harness import HEADER, row
from tests.integration.platform.running import RunningPlatform, new_environment, running_platform
from tests.integration.platform.test_platform import WHOLE_WORLD


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(new_environment(tmp_path_factory.mktemp("platform") / "data")) as found:
        yield found


def mean(platform: RunningPlatform) -> object:
    answer = httpx.get(f"{platform.api}/api/v1/trips/stats", params={"region": "Turin", **WHOLE_WORLD})
    return answer.json()["mean"]


def test_a_deleted_file_stays_away_until_it_is_dropped_again_on_purpose(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + row() + row(moment="2018-05-28 12:00:00"))
    assert platform.shifts("drop", str(file)).returncode == 0
    assert mean(platform) == 2

    done = platform.shifts("delete", "a.csv", "--yes")
    assert (done.returncode, done.stdout) == (0, "deleted a.csv\n"), done.stderr
    assert mean(platform) is None
    assert not (platform.landing / "a.csv").exists()
    repeated = platform.shifts("delete", "a.csv", "--yes")
    assert (repeated.returncode, repeated.stderr) == (1, "shifts: a.csv was deleted before\n")
    unknown = platform.shifts("delete", "b.csv", "--yes")
    assert (unknown.returncode, unknown.stderr) == (1, "shifts: there is no file b.csv\n")

    refused = platform.shifts("drop", str(file))
    assert refused.returncode == 1
    assert "these bytes were deleted on " in refused.stderr
    assert "`shifts drop --again` loads them all the same" in refused.stderr
    assert mean(platform) is None
    assert platform.shifts("drop", "--again", str(file)).returncode == 0
    assert mean(platform) == 2
