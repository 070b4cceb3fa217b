"""The audit trail: who read single trips, exported, deleted or changed keys; in the database and in the log."""

import logging

from fastapi import Request
from sqlalchemy import func, select

from shifts_api.access.authentication import address_of
from shifts_api.access.rules import AuditAction
from shifts_api.queries.database import Pools
from shifts_api.web.identity import identity_of
from shifts_api.web.logs import request_id

_audit = logging.getLogger("shifts_api.audit")


async def record(request: Request, action: AuditAction) -> None:
    """Records a request before it is answered: without the entry there is no answer."""
    identity = identity_of(request)
    # The path alone: clients put keys into queries by mistake.
    target, client = f"{request.method} {request.url.path}", address_of(request)
    region = request.query_params.get("region")
    pools: Pools = request.app.state.pools
    entry = (action, identity.name, identity.key_id, client, target, region, request_id.get())
    async with pools.probes.begin() as connection:
        await connection.execute(select(func.shifts_store.record_access(*entry)))
    _audit.info(action, extra={"actor": identity.name, "client": client, "target": target, "region": region})
