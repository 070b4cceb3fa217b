"""Malicious requests as bytes: paths, bodies, parameters, headers and malformed HTTP."""

import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from tests.integration.api.malicious_names import MARK, NAMES, NOT_THERE
from tests.integration.api.running import posted, trip

KEY = "the-key-of-the-tests-5f1c"
SQL = (
    f"'; DROP TABLE shifts_store.trips; -- {MARK}",
    f"1 OR pg_sleep(9) IS NULL /* {MARK} */",
    f'\\" UNION SELECT rolpassword FROM pg_authid -- {MARK}',
)
Requests = dict[str, bytes]


def request(
    method: str,
    target: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    key: str | None = KEY,
) -> bytes:
    """The bytes of a request; a header with an empty value is left out."""
    fields = {
        "Host": "localhost",
        "Connection": "close",
        "Authorization": f"Bearer {key}" if key is not None else "",
        "Content-Length": str(len(body)) if method == "POST" else "",
        **(headers or {}),
    }
    lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items() if v)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _post(body: object, headers: Mapping[str, str] | None = None) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("POST", "/api/v1/trips", content, headers)


def _get(
    path: str, parameters: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    query = "&".join(f"{name}={quote(value)}" for name, value in (parameters or {}).items())
    return request("GET", f"/api/v1{path}{'?' * bool(query)}{query}", headers=headers)


def paths() -> Requests:
    """File requests and uploads whose paths lead out of the landing zone."""
    found: Requests = {}
    for why, name in {**NAMES, **NOT_THERE}.items():
        found[f"mocked: {why}"] = _post({"data_type": "mocked", "data": name})
        found[f"gcp: {why}"] = _post({"data_type": "gcp", "data": f"gs://bucket/{name}"})
    for why, name in NAMES.items():
        found[f"upload: {why}"] = request("POST", f"/api/v1/files?name={quote(name, safe='')}", b"rows")
    for why, target in {
        "up from the docs": "/docs/../../../../etc/passwd",
        "up from the docs, encoded": "/docs/%2e%2e/%2e%2e/etc/passwd",
        "up from the docs, encoded slash": "/docs/..%2f..%2fetc%2fpasswd",
        "overlong UTF-8": "/docs/%c0%ae%c0%ae/etc/passwd",
        "the environment": "/.env",
        "the repository": "/.git/config",
        "NUL in the path": "/api/v1/files%00",
        "no route": f"/api/v1/{MARK}",
        "double slash": "//api/v1/files",
        "upload without a name": "/api/v1/files?name=",
    }.items():
        found[f"address: {why}"] = request("POST" if "upload" in why else "GET", target, b"")
    return found


def bodies() -> Requests:
    """Invalid bodies of `POST /trips`."""
    deep = 100_000
    found = {
        "deep list": b"[" * deep,
        "deep object": b'{"a":' * deep,
        "deep data": b'{"data_type": "json", "data": ' + b"[" * deep + b"]" * deep + b"}",
        "deep point": _json(origin="@").replace(b'"@"', b"[" * 900 + b"]" * 900),
        "no JSON": MARK.encode(),
        "form": b"data_type=json&data=" + MARK.encode(),
        "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "pickle": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94",
        "UTF-16": json.dumps(posted(trip())).encode("utf-16"),
        "not UTF-8": _json(region="@").replace(b"@", b"\xff\xfe"),
        "half a character": _json(region="@").replace(b"@", b"\\ud800"),
        "two bodies": json.dumps(posted(trip())).encode() * 2,
        "unquoted": b"{data_type: json}",
        "comment": b'/* */ {"data_type": "json", "data": []}',
        "NUL behind": json.dumps(posted(trip())).encode() + b"\0",
        "number": b"9" * 10_000,
        "true": b"true",
        "null": b"null",
        "100,001 trips": b'{"data_type": "json", "data": [' + b"1," * 100_000 + b"1]}",
    }
    for value in (
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "9" * 400,
        "0x10",
        "١",
        "1_0",
        "01",
        "+1",
    ):
        found[f"coordinate {value[:9]}"] = _json(origin=["@", 0]).replace(b'"@"', value.encode())
        found[f"coordinate in a string {value[:9]}x"] = _json(destination=f"[{value}x, 0]")
    for field in ("region", "origin", "destination", "timestamp", "source"):
        values: tuple[object, ...] = (None, True, 7, {}, {"$ne": ""}, [[]], ["x"] * 3)
        for wrong in values:
            found[f"{field} {json.dumps(wrong)}"] = _json(**{field: wrong})
    for number, text in enumerate(SQL):
        for field in ("origin", "destination", "timestamp"):
            found[f"{field} SQL {number}"] = _json(**{field: text})
        found[f"data_type SQL {number}"] = json.dumps({"data_type": text, "data": []}).encode()
    for moment in (
        "9999-12-31 23:59:59",
        "0000-00-00 00:00:00",
        "2018-05-28 09:03:60",
        "-2018-05-28 09:03:40",
        "2018-05-28 09:03:40+25:00",
        "2018-05-28 09:03:40.",
        "now()",
        "infinity",
        "٢٠١٨-٠٥-٢٨ ٠٩:٠٣:٤٠",
    ):
        found[f"moment {moment}"] = _json(timestamp=moment)
    found["trips in a list that is none"] = json.dumps({"data_type": "json", "data": trip()}).encode()
    found["a file that is a list"] = json.dumps({"data_type": "mocked", "data": ["trips.csv"]}).encode()
    return {f"body: {why}": _post(body) for why, body in found.items()}


def _json(**changes: object) -> bytes:
    return json.dumps(posted(trip(**changes))).encode()


_BOX = {"region": "Turin", "bbox": "7,45,8,46"}
_WEEK = {"region": "Turin", "week": "2018-W22"}
_CORNERS = {"region": "Turin", "nortest": "8,46", "southest": "7,45"}
_PARAMETERS: Mapping[str, tuple[Mapping[str, str], Iterable[str]]] = {
    "/trips/stats": (_CORNERS, ("region", "nortest", "southest")),
    "/trips/weekly": (_BOX, ("region", "bbox", "match", "weeks", "from", "to")),
    "/clusters": (_WEEK, ("region", "week", "time", "bbox", "min_trips", "limit", "cursor", "format")),
    "/clusters/1/trips": ({}, ("limit", "cursor")),
    "/files": ({}, ("status", "task_id", "limit", "cursor")),
    "/files/1/rejects": ({}, ("limit", "cursor")),
    "/events": ({}, ("types", "task_id", "run_id")),
}


def parameters() -> Requests:
    """Every parameter of every call with SQL, a NUL character and an oversized value."""
    found: Requests = {}
    for path, (given, names) in _PARAMETERS.items():
        for name in names:
            for number, text in enumerate((*SQL, "a\0b", "9" * 2_000)):
                found[f"parameter: {path} {name} {number}"] = _get(path, {**given, name: text})
    for path in ("/clusters/@", "/clusters/@/trips", "/trips/@/cluster", "/files/@", "/files/@/rejects"):
        for part in (*SQL, "0", "-1", "1e3", "9" * 30, "1%00", "..", "%2e%2e", "١x", "1;2", "NaN"):
            found[f"parameter: {path} {part[:6]}"] = _get(path.replace("@", quote(part, safe="%")))
    for box in (
        "nan,45,8,46",
        "7,45,8,inf",
        "7,46,8,45",
        "181,0,182,1",
        "0,0,0",
        "0,0,0,0,0",
        "7;45;8;46",
        "",
    ):
        found[f"parameter: box {box}"] = _get("/clusters", {**_WEEK, "bbox": box})
        found[f"parameter: weekly box {box}"] = _get("/trips/weekly", {**_BOX, "bbox": box})
    for cursor in ("-1-1", "1", "1-", "1-1-1", "9" * 17 + "-1", "null", "0x1-0x1"):
        found[f"parameter: cursor {cursor}"] = _get("/clusters", {**_WEEK, "cursor": cursor})
    return found


def headers() -> Requests:
    """Headers that are invalid, too many or too long."""
    found: Requests = {}
    trips = json.dumps(posted(trip())).encode()
    for why, key in {
        "none": "",
        "wrong": "wrong-key",
        "part": KEY[:-1],
        "more": KEY + "x",
        "capitals": KEY.upper(),
        "SQL": SQL[0],
        "list": f"{KEY},{KEY}",
        "latin": "schl\xfcssel",
        "long": "x" * 9_000,
    }.items():
        found[f"header: key {why}"] = request("POST", "/api/v1/trips", trips, key=key)
    for why, given in {
        "basic": f"Basic {KEY}",
        "scheme alone": "Bearer",
        "key alone": KEY,
        "reversed": f"{KEY} Bearer",
        "bearer twice": f"Bearer Bearer {KEY}",
    }.items():
        found[f"header: authorization {why}"] = _post(trips, {"Authorization": given})
    found["header: key in the address"] = request("POST", f"/api/v1/trips?api_key={KEY}", trips, key=None)
    for value in ("a b", "x" * 256, "schl\xfcssel", "\t", "a\tb"):
        found[f"header: idempotency key {value[:9]}"] = _post(trips, {"Idempotency-Key": f'"{value}"'})
    for value in ("-1", "1.5", "x", "9" * 19, "1 2", SQL[0], "0x1"):
        found[f"header: last event {value[:9]}"] = _get("/events", headers={"Last-Event-ID": value})
    for value in ("a b", "[", "http://[", "a/b", "user@host", "a:b", "a:99999", "[zz]", "a\\b", "a?b", '"'):
        found[f"header: host {value}"] = _get("/files", headers={"Host": value})
    found["header: host twice"] = _get("/files", headers={"host": "elsewhere"})
    found["header: too many"] = _get("/files", headers={f"X-{number}": "x" * 80 for number in range(500)})
    found["header: too long"] = _get("/files", headers={"X-Long": "x" * 40_000})
    found["header: far too long"] = _get("/files", headers={"X-Long": "x" * 200_000})
    found["header: long address"] = _get("/files", {"task_id": MARK + "x" * 9_000})
    found["header: multipart upload"] = request(
        "POST", "/api/v1/files?name=form.csv", b"--x", {"Content-Type": "multipart/form-data; boundary=x"}
    )
    found["header: too large"] = _post(b"", {"Content-Length": str(10**9)})
    found["header: upload too large"] = request(
        "POST", "/api/v1/files?name=large.csv", b"", {"Content-Length": str(10**15)}
    )
    found["header: upload of nothing"] = request("POST", "/api/v1/files?name=empty.csv")
    return found


def no_http() -> Requests:
    """HTTP that a parser must refuse, because a proxy in front could read it as another request (smuggling)."""
    head = (
        b"POST /api/v1/trips HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
    )
    smuggled = b"0\r\n\r\nGET /" + MARK.encode() + b" HTTP/1.1\r\n\r\n"
    found = {
        "length and chunks": head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
        "chunks and length": head + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + smuggled,
        "two lengths": head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}    ",
        "length in a list": head + b"Content-Length: 2, 2\r\n\r\n{}",
        "negative length": head + b"Content-Length: -1\r\n\r\n{}",
        "length with a sign": head + b"Content-Length: +2\r\n\r\n{}",
        "length in hex": head + b"Content-Length: 0x2\r\n\r\n{}",
        "length no number": head + b"Content-Length: two\r\n\r\n{}",
        "length beyond all": head + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
        "space before the colon": head + b"Content-Length : 2\r\n\r\n{}",
        "chunk of no size": head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "chunk of negative size": head + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "chunk beyond all": head + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n{}\r\n0\r\n\r\n",
        "chunks, but not last": head + b"Transfer-Encoding: chunked, identity\r\n\r\n" + smuggled,
        "header without a name": head + b": x\r\n\r\n",
        "header without a colon": head + b"X\r\n\r\n",
        "header with NUL": head + b"X-A: a\0b\r\n\r\n",
        "header name with a space": head + b"X A: b\r\n\r\n",
        "carriage return alone": head + b"X-A: a\rX-B: b\r\n\r\n",
        "no method": b" / HTTP/1.1\r\n\r\n",
        "odd method": b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "version of a dream": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "zeros": b"\0" * 512,
        "control character in the address": b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "no address": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "trace": request("TRACE", "/api/v1/files"),
        "delete all": request("DELETE", "/api/v1/files"),
        "delete nothing": request("DELETE", "/api/v1/files/0"),
        "delete without the key": request("DELETE", "/api/v1/files/1", key=None),
        "delete with a wrong key": request("DELETE", "/api/v1/files/1", key="wrong-key"),
        "delete the loader's copies": request("DELETE", "/api/v1/files/1?copies=all"),
        "put": request("PUT", "/api/v1/files?name=put.csv"),
        "patch": request("PATCH", "/api/v1/trips"),
    }
    return {f"http: {why}": raw for why, raw in found.items()}


REQUESTS: Requests = {**paths(), **bodies(), **parameters(), **headers(), **no_http()}
