"""`python -m tests.soak --seed 1 --minutes 30`: a platform with a folder, then one with a bucket.

The exit code is 0 only without a finding.
"""

import argparse
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.soak.phase import Phase
from tests.soak.report import Report

_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("shifts_api", "shifts_pipeline", "shifts_platform", "sql")
SHARE_OF_PHASE = {"folder": 0.65, "bucket": 0.35}
"""Share of the minutes; waiting for idleness and the comparisons take additional time."""


def main() -> int:
    """Runs the phases; the number of findings decides the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="default: a random one, printed"
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of random work and faults, default 30")
    parser.add_argument("--phases", nargs="+", choices=SHARE_OF_PHASE, default=list(SHARE_OF_PHASE))
    parser.add_argument(
        "--fault-every", type=float, default=12.0, help="mean seconds between two faults, default 12"
    )
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    # Background jobs of a shell ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix=f"shifts-soak-{arguments.seed}-"))
    folder.chmod(0o755)
    report = Report(folder, arguments.seed)
    report.say(f"seed {arguments.seed}, {arguments.minutes:g} minutes, files in {folder}")
    share = sum(SHARE_OF_PHASE[phase] for phase in arguments.phases)
    code = _code()
    try:
        for phase in arguments.phases:
            seconds = arguments.minutes * 60 * SHARE_OF_PHASE[phase] / share
            with report.guarded(f"phase {phase}"):
                Phase(phase, folder / phase, str(arguments.seed), arguments.fault_every, report).run(seconds)
    except KeyboardInterrupt:
        report.finding("interrupted")
    if _code() != code:
        report.finding("the code was changed while it ran: such a run proves nothing")
    print(report.summary())
    return 1 if report.findings else 0


def _code() -> dict[str, tuple[int, int]]:
    """Size and time of every source file: run workers import the current sources when they start."""
    found = (
        path for folder in _CODE for path in (_ROOT / folder).rglob("*") if path.suffix in (".py", ".sql")
    )
    return {str(path): ((stat := path.stat()).st_size, stat.st_mtime_ns) for path in found}


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
