"""The same platform with a bucket as landing zone, nothing else changed."""

from pathlib import Path

from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import service
from tests.integration.platform.running import new_environment, run_shifts


def test_the_demonstration_answers_rightly_from_a_bucket(tmp_path: Path) -> None:
    environment = new_environment(tmp_path / "data")
    (tmp_path / "emulator").mkdir()
    with emulator(tmp_path / "emulator") as port, service(port) as bucket:
        environment |= {
            "SHIFTS_LANDING_URL": f"gs://{BUCKET}/landing",
            "STORAGE_EMULATOR_HOST": bucket.url,
            "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        }
        done = run_shifts(environment, "demo", "--exit")
    assert done.returncode == 0, done.stderr
    assert f"drop into gs://{BUCKET}/landing" in done.stdout
    assert done.stdout.count(" m\n") >= 3
