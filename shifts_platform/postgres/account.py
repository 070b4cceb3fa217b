"""The operating system account that the server runs as, and folders that the account can use."""

import hashlib
import os
import pwd
import stat
import subprocess
from pathlib import Path
from typing import Any

from shifts_platform.errors import PlatformError

OUTSIDE_HOMES = Path("/var/lib/shifts")
"""Where the server's files go when its account cannot enter the data folder, as in a checkout below /root."""


class Account:
    """The current user, or an unprivileged account when that is root: PostgreSQL does not run as root."""

    def __init__(self) -> None:
        """Chooses the account.

        Raises:
            PlatformError: root has no account to run the server as.
        """
        self._entry = _unprivileged_entry() if os.geteuid() == 0 else None

    @property
    def process_options(self) -> dict[str, Any]:
        """Arguments for `subprocess.Popen`."""
        if self._entry is None:
            return {}
        return {"user": self._entry.pw_uid, "group": self._entry.pw_gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Makes the account the owner of a file or folder."""
        if self._entry is not None:
            os.chown(path, self._entry.pw_uid, self._entry.pw_gid)

    def run(self, command: list[str | Path]) -> None:
        """Runs a command as the account.

        Raises:
            PlatformError: it fails; the message has the end of its output.
        """
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", **self.process_options
        )
        if done.returncode != 0:
            last = " / ".join(done.stderr.strip().splitlines()[-2:])
            raise PlatformError(f"{Path(command[0]).name} failed: {last}")

    def make_folder(self, folder: Path) -> Path:
        """Creates a folder for the account and returns it; a link to one elsewhere if the account cannot enter it.

        Raises:
            PlatformError: it cannot be created.
        """
        try:
            if (
                self._entry is not None
                and not folder.is_symlink()
                and not _can_enter(folder.parent, self._entry)
            ):
                elsewhere = OUTSIDE_HOMES / path_digest(folder)
                elsewhere.mkdir(parents=True, exist_ok=True)
                folder.parent.mkdir(parents=True, exist_ok=True)
                folder.symlink_to(elsewhere)
            folder = folder.resolve()
            folder.mkdir(parents=True, exist_ok=True)
            self.own(folder)
            folder.chmod(0o700)
        except OSError as error:
            raise PlatformError(f"data folder {folder}: {error.strerror}") from error
        return folder


def path_digest(path: Path) -> str:
    """A short name that differs from path to path."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _unprivileged_entry() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PlatformError(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it"
    )


def _can_enter(folder: Path, entry: pwd.struct_passwd) -> bool:
    return all(_may_pass(place.stat(), entry) for place in (folder, *folder.parents) if place.exists())


def _may_pass(folder: os.stat_result, entry: pwd.struct_passwd) -> bool:
    if folder.st_uid == entry.pw_uid:
        needed = stat.S_IXUSR
    elif folder.st_gid == entry.pw_gid:
        needed = stat.S_IXGRP
    else:
        needed = stat.S_IXOTH
    return bool(folder.st_mode & needed)
