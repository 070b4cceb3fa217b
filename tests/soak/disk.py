"""A small disk: a file system of limited size that the soak fills and frees."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

_BALLAST = ".ballast"
_KEPT_FREE = 64 * 1024


class SmallDisk:
    """A mounted file system of limited size; without permission to mount, a plain folder that is never filled."""

    def __init__(self, folder: Path, megabytes: int, *, in_memory: bool) -> None:
        self.folder = folder
        self._image = folder.with_name(folder.name + ".img")
        self._megabytes, self._in_memory = megabytes, in_memory
        self.is_mounted = False

    def mount(self) -> None:
        """Makes the folder and mounts the file system on it."""
        self.folder.mkdir(parents=True)
        if self._in_memory:
            command = [
                "mount",
                "-t",
                "tmpfs",
                "-o",
                f"size={self._megabytes}m,mode=755",
                "tmpfs",
                str(self.folder),
            ]
        else:
            with self._image.open("wb") as image:
                image.truncate(self._megabytes * 1024**2)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self._image], check=True, capture_output=True)
            command = ["mount", "-o", "loop", str(self._image), str(self.folder)]
        self.is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self.folder.chmod(0o755)

    def fill(self) -> None:
        """Fills the disk almost completely."""
        with (self.folder / _BALLAST).open("ab") as ballast:
            while (free := self._free_bytes()) > _KEPT_FREE:
                size = os.fstat(ballast.fileno()).st_size
                with suppress(OSError):
                    os.posix_fallocate(ballast.fileno(), size, free - _KEPT_FREE // 2)
                    continue
                with suppress(OSError):
                    os.posix_fallocate(ballast.fileno(), size, max(free // 2, 4096))
                    continue
                return

    def free(self) -> None:
        """Frees the disk."""
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def unmount(self) -> None:
        """Unmounts the file system, even if it is in use."""
        if self.is_mounted:
            for options in ((), ("-l",)):
                if (
                    subprocess.run(
                        ["umount", *options, self.folder], capture_output=True, check=False
                    ).returncode
                    == 0
                ):
                    self.is_mounted = False
                    break
        self._image.unlink(missing_ok=True)

    def _free_bytes(self) -> int:
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize
