"""The notebook example of docs/clustering.md gives the output shown."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "clustering.md"


def test_the_notebook_example_is_right() -> None:
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 5
    assert results.failed == 0
