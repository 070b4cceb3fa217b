"""The audit trail: who read single trips, exported, deleted or changed keys; in the database and in the log."""

import logging

from fastapi import Request
from sqlalchemy import func, select

from shifts_api.access.authentication import address_of
from shifts_api.access.rules import AuditAction
from shifts_api.queries.database import Pools
from shifts_api.web.identity import identity_of
from shifts_api.web.logs import request_id

_MAX_TEXT = 1024
"""Characters of a path or a region that are kept: requests are recorded before their parameters are checked."""
_audit = logging.getLogger("shifts_api.audit")


async def record(request: Request, action: AuditAction) -> None:
    """Records a request before it is answered: without the entry there is no answer."""
    identity = identity_of(request)
    # The path alone: clients put keys into queries by mistake.
    target, client = f"{request.method} {request.url.path}"[:_MAX_TEXT], address_of(request)
    region = request.query_params.get("region", "")[:_MAX_TEXT] or None
    pools: Pools = request.app.state.pools
    entry = (action, identity.name, identity.key_id, client, target, region, request_id.get())
    async with pools.probes.begin() as connection:
        await connection.execute(select(func.shifts_store.record_access(*entry)))
    # The log repeats no text of clients; the entry with the request's id has it.
    route = request.scope["route"].path
    _audit.info(
        action, extra={"actor": identity.name, "client": client, "method": request.method, "route": route}
    )
