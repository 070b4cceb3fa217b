"""The page's files as browsers and caches receive them."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from shifts_api.page import PAGE_POLICY, add_page
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import install_error_handlers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built page: its index, a script with compressed variants, and a file that it must not serve."""
    built = tmp_path / "page_files"
    built.mkdir()
    for name in ("index.html", "main-1a.js", "main-1a.js.br", "main-1a.js.gz", "secret.py"):
        (built / name).write_text(name)
    (tmp_path / "outside.js").write_text("outside")
    return built


def ask(
    folder: Path, path: str, method: str = "GET", basemap: Path | None = None, **headers: str
) -> httpx.Response:
    """The answer, with its content as it was sent."""
    app = FastAPI()
    install_error_handlers(app)
    add_page(app, basemap, folder)
    headers = {"Accept-Encoding": "identity"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            request = client.build_request(method, path, headers=headers)
            answer = await client.send(request, stream=True)
            answer.extensions["sent"] = b"".join([part async for part in answer.aiter_raw()])
            return answer

    return asyncio.run(send())


def test_the_page_is_asked_for_again_and_its_files_never(folder: Path) -> None:
    assert ask(folder, "/").headers["Cache-Control"] == "no-cache"
    file = ask(folder, "/page/main-1a.js")
    assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert file.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert ask(folder, "/", "HEAD").status_code == ask(folder, "/page/main-1a.js", "HEAD").status_code == 200


def test_the_policy_allows_nothing_inline_and_no_other_origin(folder: Path) -> None:
    for path in ("/", "/page/main-1a.js"):
        assert ask(folder, path).headers["Content-Security-Policy"] == PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert "http" not in PAGE_POLICY
    assert PAGE_POLICY.startswith("default-src 'none';")


@pytest.mark.parametrize(
    ("accepted", "sent", "suffix"),
    [
        ("gzip, deflate, br", "br", ".br"),
        ("gzip", "gzip", ".gz"),
        ("br;q=0, gzip;q=0.5", "gzip", ".gz"),
        ("br;q=0.0", None, ""),
        ("identity", None, ""),
        ("", None, ""),
    ],
)
def test_the_best_variant_is_sent(folder: Path, accepted: str, sent: str | None, suffix: str) -> None:
    answer = ask(folder, "/page/main-1a.js", Accept_Encoding=accepted)
    assert answer.headers.get("Content-Encoding") == sent
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.extensions["sent"] == (folder / f"main-1a.js{suffix}").read_bytes()


def test_a_file_without_variants_is_sent_as_it_is(folder: Path) -> None:
    answer = ask(folder, "/", Accept_Encoding="br")
    assert "Content-Encoding" not in answer.headers
    assert answer.extensions["sent"] == b"index.html"


@pytest.mark.parametrize("name", ["none.js", "secret.py", "index.html", "main-1a.js.br", "..%2Foutside.js"])
def test_other_files_are_not_found(folder: Path, name: str) -> None:
    assert ask(folder, f"/page/{name}").status_code == 404


def test_without_a_built_page_the_documentation_is_shown(tmp_path: Path) -> None:
    answer = ask(tmp_path / "none", "/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/docs")


def test_a_city_map_is_named_by_the_page_and_read_by_ranges(folder: Path, tmp_path: Path) -> None:
    (folder / "index.html").write_text("<head></head>")
    basemap = tmp_path / "city.pmtiles"
    basemap.write_bytes(bytes(range(100)))
    path = "/page/basemap.pmtiles"
    assert path in ask(folder, "/", basemap=basemap).extensions["sent"].decode()
    part = ask(folder, path, basemap=basemap, Range="bytes=10-19")
    assert (part.status_code, part.extensions["sent"]) == (206, bytes(range(10, 20)))
    assert path not in ask(folder, "/").extensions["sent"].decode()
    assert ask(folder, path).status_code == 404


def test_a_setting_that_is_no_city_map_is_refused(tmp_path: Path) -> None:
    url = "postgresql://x@localhost/x"
    given: dict[str, Any] = {"database_url": url, "dagster_database_url": url, "landing_url": "x"}
    (tmp_path / "good").write_bytes(b"PMTiles\x03...")
    (tmp_path / "bad").write_bytes(b"PNG")
    assert ApiSettings(**given, basemap=tmp_path / "good").basemap == tmp_path / "good"
    for name in ("bad", "missing"):
        with pytest.raises(ValidationError, match="basemap"):
            ApiSettings(**given, basemap=tmp_path / name)
