"""PostgreSQL's programs on this machine: the newest version that has PostGIS."""

import re
import shutil
import subprocess
from pathlib import Path

from shifts_platform.errors import PlatformError

_OLDEST_MAJOR = 14
_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_NOT_FOUND = (
    "no PostgreSQL server (14 or later) with PostGIS on this machine: install one (Debian, Ubuntu: "
    "apt-get install postgresql-postgis; macOS: brew install postgis), or run `docker compose up`, "
    "or set SHIFTS_DATABASE_URL to an existing one"
)


def find_programs() -> Path:
    """The folder with `postgres`, `initdb` and `pg_config` of the newest version that has PostGIS.

    Raises:
        PlatformError: no such version is installed.
    """
    folders = {path for pattern in _FOLDERS for path in Path("/").glob(pattern.removeprefix("/"))}
    if (on_path := shutil.which("postgres")) is not None:
        folders.add(Path(on_path).resolve().parent)
    found = [
        (version, folder) for folder in folders if (version := _version_with_postgis(folder)) is not None
    ]
    if not found:
        raise PlatformError(_NOT_FOUND)
    return max(found)[1]


def preloaded_libraries(programs: Path) -> list[str]:
    """The libraries that our databases use, for `shared_preload_libraries`.

    The server loads them once and its sessions inherit them. A package upgrade replaces them on disk under the
    running server; sessions that loaded them then would get code of another version: `undefined symbol`.
    """
    share = subprocess.run([programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=True)
    path = Path(share.stdout.strip(), "extension/postgis.control")
    control = path.read_text() if path.exists() else ""
    postgis = re.search(r"^module_pathname\s*=\s*'\$libdir/([^']+)'", control, re.MULTILINE)
    return ["plpgsql", *([postgis[1]] if postgis else [])]


def _version_with_postgis(folder: Path) -> int | None:
    if not (folder / "initdb").exists() or not (folder / "pg_config").exists():
        return None
    lines = subprocess.run(
        [folder / "pg_config", "--sharedir", "--version"], capture_output=True, text=True, check=False
    ).stdout.split("\n")
    if len(lines) < 2 or not (Path(lines[0]) / "extension/postgis.control").exists():
        return None
    major = int("".join(char for char in lines[1].split()[1].split(".")[0] if char.isdigit()))
    return major if major >= _OLDEST_MAJOR else None
