"""The report of a soak: actions, checks and findings as JSON lines and as a summary."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_FAULTS_SHOWN = 8
_FINDINGS_PER_KIND = 20


class Report:
    """Counts and findings of a run; thread-safe."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.path = folder / "report.jsonl"
        self._seed = seed
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._faults: list[str] = []
        self._fault_spans: list[tuple[float, float]] = []
        self._found: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.findings: list[dict[str, Any]] = []

    def action(self, kind: str, **details: Any) -> None:
        """Records an action of a user."""
        with self._lock:
            self.actions[kind] += 1
        self._write("action", kind, details)

    def fault(self, kind: str, *, lasts_s: float = 0.0, **details: Any) -> None:
        """Records an injected fault."""
        now = time.time()
        details["lasts_s"] = round(lasts_s, 1)
        with self._lock:
            self.faults[kind] += 1
            self._fault_spans.append((now, now + lasts_s))
            self._faults = [*self._faults[1 - _FAULTS_SHOWN :], f"{self._seconds():.1f} s: {kind} {details}"]
        self._write("fault", kind, details)

    def had_fault(self, begin: float, end: float, *, echo_s: float) -> bool:
        """Whether a fault, extended by `echo_s` seconds, overlaps a span of `time.time`."""
        with self._lock:
            return any(first <= end and begin <= last + echo_s for first, last in self._fault_spans)

    def answer(self, call: str, outcome: str) -> None:
        """Counts the status of a response."""
        with self._lock:
            self.answers[f"{call} {outcome}"] += 1

    def check(self, kind: str, count: int = 1) -> None:
        """Counts successful comparisons."""
        with self._lock:
            self.checks[kind] += count

    def finding(self, kind: str, **details: Any) -> None:
        """Records a violated promise, with the faults before it."""
        with self._lock:
            self._found[kind] += 1
            if self._found[kind] > _FINDINGS_PER_KIND:
                return
            finding = {
                "kind": kind,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "seconds": round(self._seconds(), 1),
                "details": details,
                "faults_before": list(self._faults),
            }
            self.findings.append(finding)
        self._write("finding", kind, finding)
        print(
            f"FINDING at {finding['seconds']} s: {kind} {json.dumps(details, default=str)[:1500]}", flush=True
        )

    def note(self, kind: str, **details: Any) -> None:
        """Records figures and steps of the soak itself."""
        self._write("note", kind, details)

    def say(self, text: str) -> None:
        """Prints a line of progress."""
        print(f"[{self._seconds():7.1f} s] {text}", flush=True)

    @contextmanager
    def guarded(self, where: str) -> Iterator[None]:
        """Records an unexpected error of the soak itself as a finding, because such a run proves nothing."""
        try:
            yield
        except Exception as error:
            self.finding("error of the soak", where=where, error=f"{type(error).__name__}: {error}"[:2000])

    def summary(self) -> str:
        """The text that is printed at the end."""
        lines = [f"seed {self._seed}, {self._seconds() / 60:.1f} minutes, report {self.path}"]
        for title, counts in (
            ("actions", self.actions),
            ("faults", self.faults),
            ("answers", self.answers),
            ("checked", self.checks),
            ("findings", self._found),
        ):
            lines.append(f"{title}:" + ("" if counts else " none"))
            lines += [f"  {kind:<56}{count:>9,}" for kind, count in sorted(counts.items())]
        self._write("note", "summary", {"text": lines})
        return "\n".join(lines)

    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    def _write(self, line: str, kind: str, details: dict[str, Any]) -> None:
        entry = {"line": line, "seconds": round(self._seconds(), 3), "kind": kind, **details}
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(entry, default=str, ensure_ascii=False) + "\n")
