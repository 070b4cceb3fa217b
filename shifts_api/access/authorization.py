"""Whether the sender of a request may do what its route does: the rules, applied to each route below `/api/v1`."""

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.requests import HTTPConnection

from shifts_api.access.audit_trail import record
from shifts_api.access.local_writers import check_local_writer
from shifts_api.access.min_count import ANSWERS
from shifts_api.access.rules import PREFIX, RULES, Rule
from shifts_api.web.errors import ApiError
from shifts_api.web.identity import identity_of


async def authorize(connection: HTTPConnection) -> None:
    """Accepts requests that the rule of their route allows.

    Raises:
        ApiError: 403, the key may not do this or is not for the region.
    """
    rule = _rule_of(connection)
    identity = identity_of(connection)
    if identity.rights.min_count is not None and ANSWERS[_place_of(connection)] == "refused":
        raise ApiError(403, "SHIFTS_MIN_COUNT is set: only admin keys see single trips and rows")
    if identity.is_anonymous:
        if rule.role != "reader":
            check_local_writer(Request(connection.scope))
    else:
        _check(rule, connection)


async def audit(request: Request) -> None:
    """Records requests that the rule of their route says."""
    action = _rule_of(request).audited_as
    if action is not None:
        await record(request, action)


AUTHORIZED = Depends(authorize)
AUDITED = Depends(audit)
"""After the check of the parameters' names, which refuses requests that show nothing; values are checked later."""


def _rule_of(connection: HTTPConnection) -> Rule:
    return RULES[_place_of(connection)]


def _place_of(connection: HTTPConnection) -> tuple[str, str]:
    scope = connection.scope
    # FastAPI's routes of WebSockets contain the prefix, the others do not.
    return scope.get("method", "WS"), scope["route"].path.removeprefix(PREFIX)


def _check(rule: Rule, connection: HTTPConnection) -> None:
    identity = identity_of(connection)
    if not identity.rights.includes(rule.role):
        raise ApiError(403, f"This key has the role {identity.rights.role}: {rule.role} is needed")
    if rule.shows_trips and identity.rights.aggregates_only:
        raise ApiError(403, "This key is for aggregates only")
    if rule.needs_all_regions:
        identity.require_regions([None])
    identity.require_regions(name for name in connection.query_params.getlist("region") if name)


def require_rules(router: APIRouter) -> None:
    """Checks that each route has a rule.

    Raises:
        LookupError: one has none.
    """
    for route in router.routes:
        methods = route.methods if isinstance(route, APIRoute) else {"WS"}
        assert isinstance(route, APIRoute | APIWebSocketRoute)
        for method in methods or ():
            for table, file in ((RULES, "rules.py"), (ANSWERS, "min_count.py")):
                if (method, route.path) not in table:
                    raise LookupError(f"{method} {route.path} has no entry in shifts_api/access/{file}")
