"""Processes that start fast: forks of a process without threads that has imported what they need."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
# A worker of pytest has one such process, whichever test is the first to need it.
FORKS.set_forkserver_preload(
    [
        "shifts_api.__main__",
        "shifts_platform.commands.up",
        "shifts_platform.commands.drop",
        "tests.integration.api.halting_run",
        "tests.integration.loading.worker",
    ]
)
