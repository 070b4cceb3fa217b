"""Refuses query parameters that a call does not know: a mistyped filter must not answer another question."""

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from fastapi import Depends, Request
from fastapi.dependencies.utils import get_dependant, get_flat_params
from fastapi.params import Query

from shifts_api.web.errors import ApiError

_MAX_SHOWN = 100


async def check_parameter_names(request: Request) -> None:
    """Accepts query parameters that the route declares, each at most once.

    Raises:
        ApiError: 400, names the first parameter that is unknown or repeated.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    route = request.scope["route"]
    known = _query_parameters(route.path_format, route.endpoint)
    for position, name in enumerate(given):
        if name not in known:
            advice = f"did you mean {_nearest(name, known)}?" if known else "this call has none"
            raise ApiError(400, f"{name[:_MAX_SHOWN]}: unknown query parameter, {advice}")
        if name in given[:position]:
            raise ApiError(400, f"{name}: given more than once")


KNOWN_PARAMETERS_ONLY = Depends(check_parameter_names)
"""Of every call except those of the original service, which ignores other parameters."""


@cache
def _query_parameters(path: str, endpoint: Callable[..., Any]) -> Sequence[str]:
    """The names of the query parameters of a route and its dependencies."""
    fields = get_flat_params(get_dependant(path=path, call=endpoint))
    return [field.alias for field in fields if isinstance(field.field_info, Query)]


def _nearest(name: str, known: Sequence[str]) -> str:
    wanted = name[:_MAX_SHOWN].lower()
    return max(known, key=lambda each: SequenceMatcher(None, wanted, each).ratio())
