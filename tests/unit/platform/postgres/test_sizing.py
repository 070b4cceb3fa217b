"""Settings of the embedded server for machines of several sizes."""

from shifts_platform.postgres.sizing import MIB, server_settings


def test_a_quarter_of_the_memory_is_shared_buffers() -> None:
    assert server_settings(24 * 1024 * MIB, 2)["shared_buffers"] == "6144MB"


def test_small_and_large_machines_get_bounded_settings() -> None:
    small, large = server_settings(256 * MIB, 1), server_settings(1024 * 1024 * MIB, 64)
    assert (small["shared_buffers"], small["work_mem"], small["max_wal_size"]) == ("128MB", "4MB", "1024MB")
    assert (large["shared_buffers"], large["work_mem"], large["max_wal_size"]) == (
        "16384MB",
        "64MB",
        "8192MB",
    )


def test_every_core_may_work_on_a_parallel_query() -> None:
    settings = server_settings(8 * 1024 * MIB, 8)
    assert settings["max_parallel_workers_per_gather"] == settings["max_parallel_workers"] == "8"
    assert int(settings["max_worker_processes"]) > 8
