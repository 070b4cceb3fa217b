"""Settings for the embedded server by the size of the machine."""

MIB = 1024**2


def server_settings(memory_bytes: int, cores: int) -> dict[str, str]:
    """Settings for `postgresql.conf`, from the memory and the cores of the machine.

    By PostgreSQL's manual, chapter "Resource Consumption": a quarter of the memory for shared buffers (the rest is
    for the page cache and the pipeline), and a WAL large enough that a bulk load rarely causes a checkpoint.
    """
    memory = memory_bytes // MIB
    workers = max(cores, 2)
    return {
        "shared_buffers": f"{max(128, min(memory // 4, 16_384))}MB",
        "effective_cache_size": f"{max(256, memory // 2)}MB",
        "maintenance_work_mem": f"{max(64, min(memory // 16, 1024))}MB",
        "work_mem": f"{max(4, min(memory // 256, 64))}MB",
        "max_wal_size": f"{max(1024, min(memory // 3, 8192))}MB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "15min",
        "wal_compression": "on",
        "max_connections": "200",
        "max_worker_processes": str(workers + 6),
        "max_parallel_workers": str(workers),
        "max_parallel_workers_per_gather": str(workers),
        "random_page_cost": "1.1",
        "jit": "off",
    }
