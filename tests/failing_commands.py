"""Commands of `shifts` that must fail with an error of one line."""

import sys

import pytest

from shifts_platform.cli import main


def failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the error message of a call that must fail."""
    monkeypatch.setattr(sys, "argv", ["shifts", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("shifts: ")
    assert error.count("\n") == 1
    return error
