"""Folders of the landing zone whose files are not of trips: what else is known about regions."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal, get_args

ReferenceFolder = Literal["stops", "zones"]
FOLDERS: Sequence[ReferenceFolder] = get_args(ReferenceFolder)


def reference_folder(name: str) -> ReferenceFolder | None:
    """The folder of a reference file; None for files of trips."""
    return next((folder for folder in FOLDERS if name.startswith(f"{folder}/")), None)


def region_of(name: str, folder: ReferenceFolder, suffixes: Sequence[str], forms: str) -> str:
    """The region in the name of a file FOLDER/REGION.SUFFIX.

    Raises:
        ValueError: the name has none of the forms.
    """
    path = name.removeprefix(f"{folder}/")
    suffix = PurePosixPath(path).suffix.lower()
    region = path[: -len(suffix)] if suffix else path
    if suffix not in suffixes or not region or region.endswith("/"):
        raise ValueError(f"the name of a file of {folder} is {forms}")
    return region
