"""The planner's page at `/`: its built files, and the policy that a browser enforces on them."""

from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

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
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Best first, with the suffix of the files that the build compressed."""
_FOREVER = "public, max-age=31536000, immutable"


class _Variant(NamedTuple):
    path: Path
    encoding: str | None


def add_page(app: FastAPI, folder: Path = BUILT_FILES) -> None:
    """Serves the page; a checkout in which it was not built redirects to `/docs` instead.

    Args:
        app: the application.
        folder: the built files.
    """
    names = frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset[str]()

    def send(request: Request, name: str, cache_control: str) -> Response:
        path, encoding = _choose(folder, names, name, request.headers.get("accept-encoding", ""))
        headers = {"Cache-Control": cache_control, "Content-Security-Policy": PAGE_POLICY}
        if any(name + suffix in names for suffix in _ENCODINGS.values()):
            headers["Vary"] = "Accept-Encoding"
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        return FileResponse(path, headers=headers, media_type=_MEDIA_TYPES[Path(name).suffix])

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def get_page(request: Request) -> Response:
        if INDEX not in names:
            return RedirectResponse("/docs")
        return send(request, INDEX, "no-cache")

    @app.api_route("/page/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def get_file(request: Request, name: str) -> Response:
        # Names are hashes of their content, except that of the page itself.
        if name not in names or Path(name).suffix not in _MEDIA_TYPES or name == INDEX:
            raise ApiError(404, "There is no such file")
        return send(request, name, _FOREVER)


def _choose(folder: Path, names: frozenset[str], name: str, accepted: str) -> _Variant:
    """The best variant of a file that the client accepts."""
    codings = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        codings[coding.strip()] = weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    for encoding, suffix in _ENCODINGS.items():
        if codings.get(encoding, False) and name + suffix in names:
            return _Variant(folder / (name + suffix), encoding)
    return _Variant(folder / name, None)
