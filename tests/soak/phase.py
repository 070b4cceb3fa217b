"""One phase of a soak: a platform on small disks, random work and faults, then idleness and the comparison."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.landing.emulator import BUCKET
from tests.soak.bucket import PREFIX, Bucket
from tests.soak.calls import RETRIED_FOR_S, Caller
from tests.soak.check_derived import DerivedCheck
from tests.soak.check_events import EventCheck
from tests.soak.check_rows import RowCheck
from tests.soak.check_runs import RunCheck
from tests.soak.check_statements import StatementCheck
from tests.soak.check_statistics import StatisticsCheck
from tests.soak.disk import SmallDisk
from tests.soak.faults import Faults
from tests.soak.files import Contents, FileActions
from tests.soak.listeners import TERMINAL, Listener, Replays, last_event_id
from tests.soak.live_sockets import WebSocketListener
from tests.soak.memory import Memory
from tests.soak.model import Model
from tests.soak.platform import ROLES, SoakPlatform
from tests.soak.posts import Posts
from tests.soak.questions import Questions
from tests.soak.report import Report
from tests.soak.settling import Observer, wait_until_quiet
from tests.soak.threads import Repeater, end
from tests.soak.zones import BucketZone, FolderZone, Zone

_DATA_MEGABYTES = 6_144
_LANDING_MEGABYTES = 96
_REST_TAKES_S = 1_200.0
"""Maximum wait while the platform makes progress; without progress the wait ends earlier."""
_STOP_TAKES_S = 60.0
_SAY_EVERY_S = 60.0


class Phase:
    """One phase; `run` stops and unmounts everything that it started or mounted."""

    def __init__(self, kind: str, folder: Path, seed: str, fault_every_s: float, report: Report) -> None:
        self._kind, self._folder, self._seed, self._report = kind, folder, seed, report
        self._fault_every_s = fault_every_s
        self._model = Model()

    def run(self, seconds: float) -> None:
        """Runs random work and faults for the given time, waits until the platform is idle, and compares."""
        self._folder.mkdir()
        self._folder.chmod(0o755)
        if self._kind == "bucket":
            with Bucket(self._folder / "emulator") as bucket, self._platform(bucket) as (platform, disks):
                zone = BucketZone(bucket.emulator_port, BUCKET, PREFIX)
                self._work_and_compare(platform, zone, disks, bucket, seconds)
        else:
            with self._platform(None) as (platform, disks):
                zone_of_folder = FolderZone(self._folder / "landing")
                self._work_and_compare(platform, zone_of_folder, disks, None, seconds)

    @contextmanager
    def _platform(self, bucket: Bucket | None) -> Iterator[tuple[SoakPlatform, dict[str, SmallDisk]]]:
        disks = {"data folder": SmallDisk(self._folder / "data", _DATA_MEGABYTES, in_memory=False)}
        if bucket is None:
            disks["landing folder"] = SmallDisk(self._folder / "landing", _LANDING_MEGABYTES, in_memory=True)
        landing = str(self._folder / "landing") if bucket is None else bucket.url
        platform = SoakPlatform(self._folder / "data", landing, {} if bucket is None else bucket.environment)
        try:
            for name, disk in disks.items():
                disk.mount()
                if not disk.is_mounted:
                    self._report.note("a disk cannot be mounted here and is never full", disk=name)
            self._report.say(f"{self._kind}: starting the platform")
            platform.start()
            yield platform, disks
            self._stop(platform)
        finally:
            platform.stop()
            platform.kill_all()
            self._keep_logs(platform)
            for disk in disks.values():
                disk.unmount()
            for name in ("data", "landing"):
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def _work_and_compare(
        self,
        platform: SoakPlatform,
        zone: Zone,
        disks: dict[str, SmallDisk],
        bucket: Bucket | None,
        seconds: float,
    ) -> None:
        memory = Memory(platform, self._report)
        faults = Faults(platform, disks, bucket, self._rng("faults"), self._report)
        listeners = self._listeners(platform)
        sockets = [
            WebSocketListener(
                f"websocket {number}", platform, self._rng(f"websocket {number}"), stays_s=stays
            )
            for number, stays in enumerate((600.0, 20.0))
        ]
        work = self._work(platform, zone)
        watching = [
            self._repeat("observer", Observer(platform, self._model, self._report).observe, 3.0),
            self._repeat("memory", memory.sample, 10.0),
            self._repeat("reviver", faults.revive, 1.0),
        ]
        trouble = self._repeat("faults", faults.inject, self._fault_every_s)
        threads = [*work, *watching, trouble]
        try:
            for thread in (*threads, *listeners, *sockets):
                thread.start()
            self._wait(seconds)
            self._report.say(f"{self._kind}: the faults end, work goes on for a moment and ends")
            faults.end()
            end([trouble], self._report, timeout_s=300)
            end(work, self._report, timeout_s=RETRIED_FOR_S + 60)
            self._report.say(f"{self._kind}: waiting for rest")
            wait_until_quiet(platform, self._model, self._report, timeout_s=_REST_TAKES_S)
            end(watching, self._report, timeout_s=120)
        finally:
            faults.close()
            for thread in threads:
                thread.ask_to_end()
        self._report.say(f"{self._kind}: comparing")
        newest = last_event_id(platform)
        for listener in listeners:
            with self._report.guarded(listener.name):
                listener.finish(newest, timeout_s=120)
        for socket in sockets:
            with self._report.guarded(socket.name):
                socket.finish(self._report)
        self._compare(platform)
        memory.judge()

    def _compare(self, platform: SoakPlatform) -> None:
        """Compares everything that is stored and answered with the model and with itself."""
        truth = RowCheck(platform, self._model, self._report).check()
        StatisticsCheck(platform, self._rng("boxes"), self._report).check(truth)
        StatementCheck(platform, self._report).check()
        DerivedCheck(platform, self._report).check()
        EventCheck(platform, self._model, self._report).check()
        RunCheck(platform, self._report).check()

    def _work(self, platform: SoakPlatform, zone: Zone) -> list[Repeater]:
        contents = Contents()

        def files(name: str) -> FileActions:
            rng = self._rng(name)
            return FileActions(
                zone, self._model, contents, Caller(platform.api, rng, self._report), rng, self._report
            )

        def posts(name: str) -> Posts:
            rng = self._rng(name)
            return Posts(
                platform.api, self._model, Caller(platform.api, rng, self._report), rng, self._report
            )

        def questions(name: str) -> Questions:
            rng = self._rng(name)
            return Questions(self._model, Caller(platform.api, rng, self._report), rng, self._report)

        return [
            self._repeat("files", files("files").change_a_file, 4.0),
            self._repeat("uploads", files("uploads").upload_or_ask, 12.0),
            self._repeat("posts 1", posts("posts 1").post, 2.0),
            self._repeat("posts 2", posts("posts 2").post, 4.0),
            self._repeat("questions 1", questions("questions 1").ask, 0.7),
            self._repeat("questions 2", questions("questions 2").ask, 1.5),
            self._repeat("replays", Replays(platform, self._rng("replays"), self._report).replay, 6.0),
        ]

    def _listeners(self, platform: SoakPlatform) -> list[Listener]:
        # Name, types, seconds per connection, pause in seconds after each event.
        kinds: tuple[tuple[str, tuple[str, ...], float, float], ...] = (
            ("steady", (), 3600.0, 0.0),
            ("steady, ends of files", TERMINAL, 3600.0, 0.0),
            ("interrupted", (), 5.0, 0.0),
            ("interrupted, runs", ("run.queued", "run.succeeded", "run.failed"), 10.0, 0.0),
            ("slow", (), 120.0, 0.2),
        )
        return [
            Listener(
                f"{self._kind}: {name}",
                platform,
                types,
                self._rng(name),
                self._report,
                stays_s=stays_s,
                pauses_s=pauses_s,
            )
            for name, types, stays_s, pauses_s in kinds
        ]

    def _repeat(self, name: str, work: Callable[[], None], every_s: float) -> Repeater:
        return Repeater(f"{self._kind}: {name}", work, every_s, self._rng(f"pace of {name}"), self._report)

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self._seed}:{self._kind}:{name}")

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            report = self._report
            report.say(
                f"{self._kind}: {rest:.0f} s to go, {report.actions.total():,} actions,"
                f" {report.faults.total():,} faults, {len(report.findings)} findings"
            )
            time.sleep(min(rest, _SAY_EVERY_S))

    def _stop(self, platform: SoakPlatform) -> None:
        begun = time.monotonic()
        code = platform.stop()
        seconds = time.monotonic() - begun
        if code != 0 or seconds > _STOP_TAKES_S:
            self._report.finding(
                "the platform does not stop well",
                exit_code=code,
                took_s=round(seconds),
                output=platform.log_tail(),
            )
        left = {role: len(found) for role in ROLES if (found := platform.processes(role))}
        if left:
            self._report.finding("processes are left behind a stop", roles=left)
        self._report.check("stops")

    def _keep_logs(self, platform: SoakPlatform) -> None:
        kept = self._folder / "logs"
        shutil.copytree(self._folder / "data" / "logs", kept, dirs_exist_ok=True)
        if platform.log.exists():
            shutil.copy(platform.log, kept)
