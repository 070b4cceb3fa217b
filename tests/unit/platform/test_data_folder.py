"""The lock of the data folder, and who holds it."""

import os
from pathlib import Path

import pytest

from shifts_platform.data_folder import lock_data_folder, lock_holder, wait_until_unlocked
from shifts_platform.errors import PlatformError


def test_a_folder_without_a_platform_has_no_holder(tmp_path: Path) -> None:
    assert lock_holder(tmp_path) is None
    assert lock_holder(tmp_path / "missing") is None


def test_the_holder_is_named_until_it_ends_also_after_a_refused_attempt(tmp_path: Path) -> None:
    with lock_data_folder(tmp_path):
        with pytest.raises(PlatformError, match="already running"):
            lock_data_folder(tmp_path)
        assert lock_holder(tmp_path) == os.getpid()
    assert lock_holder(tmp_path) is None
    wait_until_unlocked(tmp_path)
