"""Which scripts a database still needs, decided from its history; pure functions."""

from collections.abc import Mapping, Sequence

from shifts_platform.errors import PlatformError
from shifts_platform.migrations.files import Script, SqlFiles


def pending_migrations(files: SqlFiles, history: Mapping[str, str]) -> Sequence[Script]:
    """The migrations that were not applied yet, in their order.

    Args:
        files: of this version of the program.
        history: checksums of the applied scripts by name.

    Raises:
        PlatformError: an applied migration was edited or is unknown, an earlier one was skipped, or the database is
            of a newer version.
    """
    applied = sorted(name for name in history if name.startswith(f"{files.database}/migrations/"))
    for script, name in zip(files.migrations, applied, strict=False):
        if script.name < name:
            raise PlatformError(f"{script.name} was never applied, but the later {name} was")
        if script.name > name:
            raise PlatformError(f"{name} was applied to the database, but this program does not have it")
        if script.checksum != history[name]:
            raise PlatformError(
                f"{name} was edited after it had been applied: restore its text, and write the change"
                " into a new migration"
            )
    if len(applied) > len(files.migrations):
        raise PlatformError(
            f"the database is of a newer version than this program: it has {applied[len(files.migrations)]}"
        )
    return files.migrations[len(applied) :]


def pending_scripts(
    files: SqlFiles, history: Mapping[str, str], *, has_workers: bool = False
) -> list[Script]:
    """Everything that the next upgrade changes: migrations, placement, functions and views, grants.

    Args:
        files: of this version of the program.
        history: checksums of the applied scripts by name.
        has_workers: whether Citus spreads the database over other servers. Then its tables are placed, and functions
            and views defined again once tables are distributed: their definition brings them to the workers.

    Raises:
        PlatformError: as for `pending_migrations`.
    """

    def has_changed(script: Script) -> bool:
        return history.get(script.name) != script.checksum

    migrations = pending_migrations(files, history)
    placement, definitions, grants = files.all_placement, files.all_definitions, files.all_grants
    is_placed = bool(files.placement) and has_workers and bool(migrations or has_changed(placement))
    return [
        *migrations,
        *([placement] if is_placed else []),
        *([definitions] if migrations or is_placed or has_changed(definitions) else []),
        *([grants] if has_changed(grants) else []),
    ]
