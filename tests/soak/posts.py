"""Posted trips: each list has its own key and is sent with it until the API has accepted it, once."""

import random
import threading
import uuid
from typing import Any

from tests.soak.calls import Caller
from tests.soak.contents import POST_REGIONS, Trips, moment_of, random_trips
from tests.soak.model import Model, Post
from tests.soak.report import Report


class Posts:
    """Posts lists of trips; some are sent twice, some by two clients at the same moment."""

    def __init__(self, root: str, model: Model, caller: Caller, rng: random.Random, report: Report) -> None:
        self._root, self._model, self._caller = root, model, caller
        self._rng, self._report = rng, report

    def post(self) -> None:
        """Posts one list until it is acknowledged."""
        size = self._rng.randint(100, 400) if self._rng.random() < 0.05 else self._rng.randint(1, 12)
        trips = random_trips(self._rng, size, (self._rng.choice(POST_REGIONS),))
        post = Post(f"post-{uuid.UUID(int=self._rng.getrandbits(128)).hex}", trips)
        body = _body(trips)
        self._model.post(post)
        chance = self._rng.random()
        if chance < 0.1:
            self._with_a_rival(post, body)
        else:
            self._send(self._caller, post, body)
        if chance > 0.9:
            self._send(self._caller, post, body)
        self._report.action("post trips", key=post.key, trips=len(trips), taken=post.acknowledged)

    def _with_a_rival(self, post: Post, body: dict[str, Any]) -> None:
        rival = Caller(self._root, random.Random(self._rng.random()), self._report)
        thread = threading.Thread(target=self._send, args=(rival, post, body), daemon=True)
        thread.start()
        self._send(self._caller, post, body)
        thread.join()

    def _send(self, caller: Caller, post: Post, body: dict[str, Any]) -> None:
        answer = caller.write("POST /trips", "/trips", 201, key=post.key, json=body)
        if answer is not None:
            post.acknowledged = True


def _body(trips: Trips) -> dict[str, Any]:
    return {
        "data_type": "json",
        "data": [
            {
                "region": str(trips.regions[row]),
                "origin": trips.points[row, :2].tolist(),
                "destination": trips.points[row, 2:].tolist(),
                "timestamp": moment_of(int(trips.started_at[row])),
                "source": str(trips.sources[row]),
            }
            for row in range(len(trips))
        ],
    }
