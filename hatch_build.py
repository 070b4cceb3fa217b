"""Refuses to build a wheel without the planner's page, which `make page` builds."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageCheck(BuildHookInterface):  # type: ignore[type-arg]
    """A hatchling build hook; an editable installation needs no page."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Checks that the page was built.

        Raises:
            FileNotFoundError: it was not.
        """
        index = Path(self.root, "shifts_api", "page_files", "index.html")
        if version != "editable" and not index.is_file():
            raise FileNotFoundError(f"{index} is missing: build the page first with `make page`")
