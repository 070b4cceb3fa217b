"""The planner's page at `/`: its built files, and the policy that a browser enforces on them."""

import re
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from shifts_api.web.errors import ApiError

BUILT_FILES = Path(__file__).parent / "page_files"
"""What `make page` builds from `page/`; the wheel and the images carry it."""
INDEX = "index.html"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Sent with scripts as well: a worker is bound to the policy of its own file."""
_MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_SUFFIXES = {"br": ".br", "gzip": ".gz", None: ""}
"""Of the files that the build made for each encoding, the best first."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_HEADERS = {"Content-Security-Policy": PAGE_POLICY}
_BASEMAP_PATH = "/page/basemap.pmtiles"
_BASEMAP_NAMED = f'<head>\n    <meta name="basemap" content="{_BASEMAP_PATH}">'
_FOREVER = "public, max-age=31536000, immutable"


def add_page(app: FastAPI, basemap: Path | None = None, folder: Path = BUILT_FILES) -> None:
    """Serves the page; a checkout in which it was not built redirects to `/docs` instead.

    Args:
        app: the application.
        basemap: a PMTiles file, which the page reads by ranges.
        folder: the built files.
    """

    def send(request: Request, name: str, cache_control: str) -> Response:
        encoding = _choose(folder / name, request.headers.get("accept-encoding", ""))
        headers = _HEADERS | {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        path = folder / (name + _SUFFIXES[encoding])
        return FileResponse(path, headers=headers, media_type=_MEDIA_TYPES[Path(name).suffix])

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def get_page(request: Request) -> Response:
        if not (folder / INDEX).is_file():
            return RedirectResponse("/docs")
        if basemap is not None:
            text = (folder / INDEX).read_text("utf-8").replace("<head>", _BASEMAP_NAMED, 1)
            return HTMLResponse(text, headers=_HEADERS | {"Cache-Control": "no-cache"})
        return send(request, INDEX, "no-cache")

    @app.api_route(_BASEMAP_PATH, methods=["GET", "HEAD"], include_in_schema=False)
    async def get_basemap() -> Response:
        if basemap is None:
            raise ApiError(404, "SHIFTS_BASEMAP is not set")
        return FileResponse(basemap, headers=_HEADERS | {"Cache-Control": "no-cache"})

    @app.api_route("/page/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def get_file(request: Request, name: str) -> Response:
        # Names are hashes of their content, except that of the page itself.
        is_file = _NAME.fullmatch(name) and Path(name).suffix in _MEDIA_TYPES and (folder / name).is_file()
        if not is_file or name == INDEX:
            raise ApiError(404, "There is no such file")
        return send(request, name, _FOREVER)


def _choose(path: Path, accepted: str) -> str | None:
    """The best encoding of a file that was built and that the client accepts; None for the file as it is."""
    codings = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        codings[coding.strip()] = weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    for encoding, suffix in _SUFFIXES.items():
        if encoding is not None and codings.get(encoding) and path.with_name(path.name + suffix).is_file():
            return encoding
    return None
