"""The page's files as browsers and caches receive them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from shifts_api.page import PAGE_POLICY, add_page
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


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    app = FastAPI()
    install_error_handlers(app)
    add_page(app, folder)
    with TestClient(app) as found:
        yield found


def test_the_page_is_asked_for_again_and_its_files_never(client: TestClient) -> None:
    assert client.get("/").headers["Cache-Control"] == "no-cache"
    file = client.get("/page/main-1a.js")
    assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert file.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert client.head("/").status_code == client.head("/page/main-1a.js").status_code == 200


def test_the_policy_allows_nothing_inline_and_no_other_origin(client: TestClient) -> None:
    for path in ("/", "/page/main-1a.js"):
        assert client.get(path).headers["Content-Security-Policy"] == PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert "http" not in PAGE_POLICY
    assert PAGE_POLICY.startswith("default-src 'none';")


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.0", None),
        ("identity", None),
        ("", None),
    ],
)
def test_the_best_variant_is_sent(folder: Path, client: TestClient, accepted: str, sent: str | None) -> None:
    with client.stream("GET", "/page/main-1a.js", headers={"Accept-Encoding": accepted}) as answer:
        content = b"".join(answer.iter_raw())
    assert answer.headers.get("Content-Encoding") == sent
    assert answer.headers["Vary"] == "Accept-Encoding"
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[sent]
    assert content == (folder / f"main-1a.js{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["none.js", "secret.py", "index.html", "main-1a.js.br", "..%2Foutside.js"])
def test_other_files_are_not_found(client: TestClient, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == 404


def test_without_a_built_page_the_documentation_is_shown(tmp_path: Path) -> None:
    app = FastAPI()
    add_page(app, tmp_path / "none")
    answer = TestClient(app, follow_redirects=False).get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/docs")
