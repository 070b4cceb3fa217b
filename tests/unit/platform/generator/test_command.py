"""`shifts generate`: a complete file or no file, a closed pipe, and errors of one line."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from shifts_platform.cli import shifts
from shifts_platform.generator.city import DEFAULT_CITIES
from shifts_platform.generator.commutes import truth_lines
from shifts_platform.generator.csv_file import csv_blocks
from shifts_platform.generator.trips import DEFAULT_FIRST_WEEK, plan_commutes
from tests.failing_commands import failure
from tests.unit.platform.generator.reading import complete_csv, read_frame

COMMAND = [sys.executable, "-c", "from shifts_platform.cli import main; main()", "generate"]


def test_the_file_is_complete_and_no_other_file_is_left(tmp_path: Path) -> None:
    out = tmp_path / "trips.csv"
    result = CliRunner().invoke(shifts, ["generate", "--trips", "3000", "--seed", "1", "--out", str(out)])
    assert result.exit_code == 0
    assert result.stdout == f"3,000 trips in {out}\n"
    assert out.read_bytes() == complete_csv(3_000)
    assert list(tmp_path.iterdir()) == [out]


def test_the_same_seed_gives_the_same_gz_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    for out in (first, second):
        arguments = ["generate", "--trips", "3000", "--seed", "1", "--weeks", "2", "--out", str(out)]
        assert CliRunner().invoke(shifts, arguments).exit_code == 0
    assert first.read_bytes() == second.read_bytes()
    frame = read_frame(gzip.decompress(first.read_bytes()))
    assert len(frame) == 3_000
    assert frame["moment"].dt.isocalendar()["week"].value_counts().to_dict() == pytest.approx(
        {18: 1_500, 19: 1_500}, abs=20
    )


def test_commutes_are_written_beside_their_trips(tmp_path: Path) -> None:
    out, truth = tmp_path / "trips.csv", tmp_path / "truth.csv"
    options = ["--trips", "3000", "--seed", "1", "--weeks", "3", "--commutes", "30", "--churn", "0.2"]
    files = ["--truth", str(truth), "--out", str(out)]
    result = CliRunner().invoke(shifts, ["generate", *options, *files])
    assert (result.exit_code, result.stdout) == (0, f"3,000 trips in {out}\n")
    planned = plan_commutes(3_000, seed=1, commutes=30, churn=0.2, weeks=3)
    assert truth.read_text() == "".join(truth_lines(planned, DEFAULT_CITIES, DEFAULT_FIRST_WEEK))
    blocks = csv_blocks(3_000, seed=1, weeks=3, commutes=planned)
    assert out.read_bytes() == b"".join(lines for _, lines in blocks)
    assert sorted(tmp_path.iterdir()) == [out, truth]


def test_without_out_trips_are_written_to_standard_output(tmp_path: Path) -> None:
    command = [*COMMAND, "--trips", "500", "--seed", "1", "--bad-share", "0.1"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == complete_csv(500, bad_share=0.1)
    assert done.stderr == b""


def test_a_closed_pipe_ends_the_command_without_an_error() -> None:
    with subprocess.Popen(
        [*COMMAND, "--trips", "100000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"region,")
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trips", "5", "--out", "trips.txt"], "must end in .csv or .csv.gz"),
        (["--trips", "5", "--out", "missing/trips.csv"], "No such file or directory"),
        (["--trips", "5", "--weeks", "600"], "600 weeks from 2018-04-30 on are out of range"),
        (["--trips", "3000000000"], "3000000000 trips are out of range"),
        (["--trips", "5", "--churn", "0.2"], "--churn and --truth need --commutes"),
        (["--trips", "5", "--truth", "truth.csv"], "--churn and --truth need --commutes"),
        (["--trips", "5", "--commutes", "3", "--truth", "truth.txt"], "the name must end in .csv"),
        (["--trips", "5", "--commutes", "3", "--truth", "missing/truth.csv"], "No such file or directory"),
        (["--trips", "5", "--commutes", "20000"], "distinct commutes, 9000 are needed in all weeks"),
        (["--trips", "5", "--commutes", "3", "--truth", "truth.csv", "--out", "trips.txt"], "must end in"),
    ],
)
def test_an_invalid_option_is_an_error_of_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in failure(monkeypatch, capsys, "generate", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_completed_leaves_the_old_one_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "trips.csv"
    out.write_bytes(b"old")
    resource = pytest.importorskip("resource")
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))"
    ignored = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    program = f"{limit}; {ignored}; {COMMAND[2]}"
    command = [sys.executable, "-c", program, "generate", "--trips", "300000", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.decode() == f"shifts: {out}: File too large\n"
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]
