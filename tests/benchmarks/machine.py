"""What the benchmarks ran on, and of which code: goes into every table they write."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from streams.embedded.jars import kafka_version

_PAGE = 4096
_ROOT = Path(__file__).resolve().parents[2]


def machine() -> dict[str, str | int]:
    """Processor, cores, memory, Python."""
    names = (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name"))
    cpu = next(names, platform.processor())
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": cpu,
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / 2**20),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def both_compilers() -> None:
    """Brokers that start from now on have both of Java's compilers, as one should that is here for a while."""
    os.environ.setdefault("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC")


def resident(pid: int | str = "self") -> int:
    """Bytes of a process that are in memory; 0 of one that is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * _PAGE


def in_huge_pages() -> float:
    """Of this process's own memory, the share (0 to 1) that the kernel gave in huge pages: without them look-ups cost more."""
    sizes = dict(line.split()[:2] for line in _lines("/proc/self/smaps_rollup")[1:])
    return int(sizes.get("AnonHugePages:", 0)) / max(1, int(sizes.get("Anonymous:", 0)))


def occasion() -> dict[str, object]:
    """The run: when, of which commit (with a + if files differ from it), on which broker and machine, how busy that was."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "broker": f"Apache Kafka {kafka_version()}",
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
    }


def available_gib() -> float:
    """Memory that can be had without swapping; unknown counts as little."""
    found = (int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemAvailable"))
    return next(found, 0) / 2**20


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=7", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
