"""Metadata and checks of the assets that are read from reference files."""

from collections.abc import Sequence

import dagster as dg

from shifts_core.landing.reference_files import ReferenceFolder
from shifts_pipeline.display_text import printable
from shifts_pipeline.storage.reference_files import RecordedFile

MAX_LISTED = 100


def files_table(files: Sequence[RecordedFile], folder: ReferenceFolder) -> dg.TableMetadataValue:
    """Files that cannot be used first."""
    listed = sorted(files, key=lambda file: (file.error is None, file.name))[:MAX_LISTED]
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "file": printable(file.name),
                    "region": printable(file.region or ""),
                    folder: file.entries,
                    "rejected": file.rejected,
                    "remark": file.error
                    or ("" if file.is_of_known_region else "no trips of this region yet"),
                }
            )
            for file in listed
        ],
        schema=dg.TableSchema(
            [dg.TableColumn(name) for name in ("file", "region")]
            + [dg.TableColumn(name, "int") for name in (folder, "rejected")]
            + [dg.TableColumn("remark")]
        ),
    )


def check_result(check_name: str, files: Sequence[RecordedFile]) -> dg.AssetCheckResult:
    """Whether the newest version of every file is in force."""
    unusable = [file for file in files if file.error is not None]
    listed = "; ".join(f"{printable(file.name)}: {file.error}" for file in unusable[:MAX_LISTED])
    return dg.AssetCheckResult(
        check_name=check_name,
        passed=not unusable,
        description=listed or f"{len(files):,} files are in force",
        metadata={"unusable": dg.MetadataValue.int(len(unusable))},
    )
