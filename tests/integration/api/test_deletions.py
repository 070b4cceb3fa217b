"""`DELETE /files/{id}`: the request, and the answers of the service when the file is deleted."""

import httpx
import numpy as np
import pytest

from tests.integration.api.running import Service, posted, trip
from tests.integration.api.test_segments import HEADER, REGION, Work
from tests.integration.loading.loading import Loader


@pytest.fixture
def work(service: Service, client: httpx.Client) -> Work:
    found = Work(Loader(service.database_url, service.landing), client, np.random.default_rng(7))
    for path in service.landing.iterdir():
        path.unlink()
    found.loader.empty()
    return found


def file_id(client: httpx.Client, name: str) -> int:
    (file,) = client.get("/files", params={"name": name}).json()["files"]
    return int(file["file_id"])


def delete(work: Work, id_: int, **parameters: str) -> httpx.Response:
    """Asks for the deletion, and does what a run does then."""
    response = work.client.delete(f"/files/{id_}", params=parameters)
    work.loader.delete_requested()
    return response


def total(client: httpx.Client) -> int:
    answer = client.get("/trips/weekly", params={"region": REGION, "bbox": "-180,-90,180,90"})
    return int(answer.json()["total_trips"])


def load(work: Work, name: str, data: bytes) -> None:
    work.loader.put(name, data)
    work.loader.load(name)


def test_a_deleted_file_is_absent_from_answers_and_stays_in_the_ledger(
    client: httpx.Client, work: Work
) -> None:
    load(work, "a.csv", work.csv(300) + b"no trip\n")
    load(work, "b.csv", work.csv(20))
    assert total(client) == 320
    id_ = file_id(client, "a.csv")
    response = delete(work, id_)
    assert response.status_code == 202
    file = client.get(f"/files/{id_}").json()
    assert response.json() == {"file_id": id_, "task_id": file["task_id"], "name": "a.csv", "copies": []}
    assert total(client) == 20
    assert client.get(f"/files/{id_}/rejects").status_code == 404
    assert {name: file[name] for name in ("status", "rows_loaded", "rows_rejected", "deleted_by")} == {
        "status": "deleted",
        "rows_loaded": 300,
        "rows_rejected": 1,
        "deleted_by": "a client on this machine",
    }
    assert client.get("/files", params={"status": "deleted"}).json()["files"] == [file]
    # Once more: nothing is left to be deleted.
    assert delete(work, id_).json() == response.json()


def test_a_file_is_deleted_under_all_its_names(client: httpx.Client, work: Work) -> None:
    data = work.csv(20)
    load(work, "a.csv", data)
    load(work, "b.csv", data)
    assert delete(work, file_id(client, "b.csv")).json()["copies"] == ["a.csv"]
    assert total(client) == 0


def test_a_copy_receives_the_trips_if_copies_are_kept(client: httpx.Client, work: Work) -> None:
    data = work.csv(20)
    load(work, "a.csv", data)
    load(work, "b.csv", data)
    response = delete(work, file_id(client, "a.csv"), copies="keep")
    assert (response.json()["name"], response.json()["copies"]) == ("a.csv", [])
    assert total(client) == 20
    (file,) = client.get("/files", params={"status": "loaded"}).json()["files"]
    assert file["name"] == "b.csv"
    # The trips are never lost by a request that is repeated: the record of before is that of the other name now.
    for id_ in (file["file_id"], file_id(client, "b.csv")):
        repeated = delete(work, id_, copies="keep")
        assert (repeated.status_code, repeated.json()) == (
            409,
            {"message": "copies: no other file has the bytes of b.csv"},
        )
    assert total(client) == 20


def test_a_posted_list_is_deleted(client: httpx.Client, work: Work) -> None:
    load(work, "a.csv", HEADER + work.csv(20).removeprefix(HEADER))
    assert client.post("/trips", json=posted(trip(region=REGION))).status_code == 201
    assert total(client) == 21
    newest = client.get("/files").json()["files"][0]
    assert delete(work, newest["file_id"]).json()["name"] == newest["name"]
    assert total(client) == 20
    assert client.get(f"/files/{newest['file_id']}").json()["status"] == "deleted"


def test_a_file_that_does_not_exist_is_not_found(client: httpx.Client) -> None:
    response = client.delete("/files/4242")
    assert (response.status_code, response.json()) == (404, {"message": "File 4242 not found"})
