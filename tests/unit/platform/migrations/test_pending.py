"""Which scripts are pending, from a history and the files of this version."""

import pytest

from shifts_platform.errors import PlatformError
from shifts_platform.migrations.files import Script, SqlFiles
from shifts_platform.migrations.pending import pending_scripts

FIRST, SECOND = (Script(f"area/migrations/000{number}_step.sql", f"SELECT {number}") for number in (1, 2))
FILES = SqlFiles(
    "area",
    (FIRST, SECOND),
    (Script("area/views/trips.sql", "CREATE VIEW …"),),
    (Script("area/grants/roles.sql", "GRANT …"),),
)
DEFINITIONS, GRANTS = FILES.all_definitions, FILES.all_grants


def history(*scripts: Script) -> dict[str, str]:
    return {script.name: script.checksum for script in scripts}


def test_everything_is_pending_in_a_new_database() -> None:
    assert pending_scripts(FILES, {}) == [FIRST, SECOND, DEFINITIONS, GRANTS]


def test_nothing_is_pending_after_everything_was_applied() -> None:
    assert pending_scripts(FILES, history(FIRST, SECOND, DEFINITIONS, GRANTS)) == []


def test_definitions_are_replaced_after_a_migration() -> None:
    assert pending_scripts(FILES, history(FIRST, DEFINITIONS, GRANTS)) == [SECOND, DEFINITIONS]


def test_changed_definitions_and_grants_are_pending() -> None:
    former = Script(DEFINITIONS.name, "former"), Script(GRANTS.name, "former")
    assert pending_scripts(FILES, history(FIRST, SECOND, *former)) == [DEFINITIONS, GRANTS]


def test_scripts_of_another_database_are_ignored() -> None:
    other = Script("other/migrations/0001_step.sql", "")
    assert pending_scripts(FILES, history(other, FIRST, SECOND, DEFINITIONS, GRANTS)) == []


@pytest.mark.parametrize(
    ("applied", "message"),
    [
        ([Script(FIRST.name, "edited")], "0001_step.sql was edited"),
        ([SECOND], "0001_step.sql was never applied"),
        ([Script("area/migrations/0001_another.sql", "")], "0001_another.sql was applied to the database"),
        ([FIRST, SECOND, Script("area/migrations/0003_step.sql", "")], "newer version .*0003_step.sql"),
    ],
)
def test_a_history_that_does_not_fit_is_refused(applied: list[Script], message: str) -> None:
    with pytest.raises(PlatformError, match=message):
        pending_scripts(FILES, history(*applied))
