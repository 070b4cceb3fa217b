"""The service's description: OpenAPI with every error, and a page to try it without the internet."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from pydantic.json_schema import models_json_schema

from shifts_api.schemas import FileRequest, PostedTrips
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import Message
from shifts_api.web.examples import EXAMPLES

_ASSETS = Path(str(files("fastapi_offline") / "static"))
_REFS = "#/components/schemas/{model}"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'"
)
_DESCRIPTION = """
Files of trips go in, groups of similar trips and exact weekly statistics come out, and a live feed tells what
happens meanwhile.

Errors are `{"message": …}`. `GET /api/v1/events` is an endless stream of server-sent events; the WebSocket
`/api/v1/trips/live` tells the original service's clients of every file that is done.
"""


def install_documents(app: FastAPI, settings: ApiSettings) -> None:
    """Serves `/openapi.json`, `/docs` and sends browsers there from `/`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app, settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Shifts",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon.png",
        )
        # The page's own few lines move to a file, so that no script runs that is not ours.
        html = bytes(page.body).decode()
        start, end = html.index("<script>"), html.rindex("</script>")
        html = f'{html[:start]}<script src="/docs/start.js">{html[end:]}'
        return HTMLResponse(html, headers={"Content-Security-Policy": _PAGE_POLICY})

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(
            'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", layout: "BaseLayout",'
            " deepLinking: true, presets: [SwaggerUIBundle.presets.apis,"
            " SwaggerUIBundle.SwaggerUIStandalonePreset]})",
            media_type="text/javascript",
        )

    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        app.add_api_route(f"/docs/{name}", _asset(name), include_in_schema=False)


def _asset(name: str) -> Any:
    async def asset() -> FileResponse:
        return FileResponse(_ASSETS / name, headers={"Cache-Control": "public, max-age=86400"})

    return asset


def _describe(app: FastAPI, settings: ApiSettings) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION.strip(),
        routes=app.routes,
    )
    schemas = document["components"]["schemas"]
    _, posted = models_json_schema(
        [(PostedTrips, "validation"), (FileRequest, "validation"), (Message, "serialization")],
        ref_template=_REFS,
    )
    schemas.update(posted["$defs"])
    # What is invalid is answered with 400 and a message here.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            if path.startswith("/api/"):
                operation["responses"].setdefault("500", _fault())
            for parameter in operation.get("parameters", []):
                # Of those that have to be there, so that the page can be tried as it stands.
                if parameter["required"] and "examples" in parameter["schema"]:
                    parameter["example"] = parameter["schema"]["examples"][0]
            for status, response in operation["responses"].items():
                for kind, content in response["content"].items():
                    place = f"{method} {path} {status}" + f" {kind}" * (kind != "application/json")
                    if place in EXAMPLES:
                        content["example"] = EXAMPLES[place]
            if method == "post" and settings.api_key is not None:
                operation["security"] = [{"key": []}]
    if settings.api_key is not None:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return document


def _fault() -> dict[str, Any]:
    return {
        "description": "A fault of the service",
        "content": {
            "application/json": {
                "schema": {"$ref": _REFS.format(model="Message")},
                "example": {"message": "Internal error"},
            }
        },
    }
