"""The resource `audit_retention`: how long entries of the audit trail are kept."""

import dagster as dg
from pydantic import Field


class AuditRetention(dg.ConfigurableResource["AuditRetention"]):
    """Older entries are deleted."""

    weeks: int = Field(description="Weeks for which entries are kept. Setting: SHIFTS_AUDIT_WEEKS.")
