"""Prometheus metrics of HTTP requests, counted as they are answered."""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMetrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "shifts_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "shifts_http_request_seconds",
            "Time to the end of the answer, except for streams",
            ["method", "route"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
