"""The OpenAPI document, and Swagger UI to try it without internet access."""

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic.json_schema import models_json_schema

from shifts_api.access.authentication import COOKIE
from shifts_api.access.rules import PUBLIC
from shifts_api.schemas import FileRequest
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import Message
from shifts_api.zone_schemas import NewZones, PutZoneFeature
from shifts_core.trips.posted import PostedTrips

_PAGE = Path(__file__).parent / "docs_page"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'"
)
_DESCRIPTION = """
Load files of trips, get clusters of similar trips and exact weekly statistics, and follow what happens live.

Errors are `{"message": …}`. `GET /api/v1/events` is an endless stream of server-sent events; the WebSocket
`/api/v1/trips/live` notifies clients of the original service when a file is done.

As soon as an API key exists, every call below `/api/v1` needs one. Without any key, reads are open, and clients on
the same machine may write.
"""


def add_docs(app: FastAPI, settings: ApiSettings, prefix: str) -> None:
    """Serves `/openapi.json` and `/docs`; paths below the prefix need a key."""
    app.openapi = cache(lambda: _describe(app, settings, prefix))  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def get_docs() -> FileResponse:
        return FileResponse(_PAGE / "index.html", headers={"Content-Security-Policy": _PAGE_POLICY})

    app.mount("/docs", StaticFiles(directory=_PAGE, packages=[("fastapi_offline", "static")]))


def _describe(app: FastAPI, settings: ApiSettings, prefix: str) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION.strip(),
        routes=app.routes,
    )
    schemas = document["components"]["schemas"]
    required: list[dict[str, list[str]]] = [{"key": []}, {"session": []}]
    login = f"{PUBLIC[0].lower()} {prefix}{PUBLIC[1]}"
    _, posted = models_json_schema(
        [
            (PostedTrips, "validation"),
            (FileRequest, "validation"),
            (NewZones, "validation"),
            (PutZoneFeature, "validation"),
            (Message, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas.update(posted["$defs"])
    # Invalid requests get 400 and a message instead.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            for parameter in operation.get("parameters", []):
                # Swagger UI fills in required parameters, so that the call can be tried as it is.
                if parameter["required"] and "examples" in parameter["schema"]:
                    parameter["example"] = parameter["schema"]["examples"][0]
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for body in (*bodies, *operation["responses"].values()):
                for media_type, content in body.get("content", {}).items():
                    if media_type == "application/json" and "example" not in content:
                        content["example"] = _build_example(content["schema"], schemas)
            if path.startswith(prefix) and f"{method} {path}" != login:
                operation["security"] = required if settings.api_key is not None else [{}, *required]
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    return document


def _build_example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """An example of a schema, composed of the examples of its fields."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return _build_example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "const" in schema:
        return schema["const"]
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            return _build_example(schema[alternatives][0], schemas)
    if schema["type"] == "array":
        return [_build_example(schema["items"], schemas)]
    return {name: _build_example(field, schemas) for name, field in schema["properties"].items()}
