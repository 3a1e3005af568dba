"""Where figures are taken. It imports the standard library only: children are measured that import it."""

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "numba", "torch", "onnxruntime", "openvino", "ncnn")


def cpu_name():
    """The processor as its maker calls it, and how many of its threads are there."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} threads"


def load_average():
    """Of the last minute, or None where the system does not tell."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def describe():
    """Date, processor, load average and versions; to be called before anything of ours runs.

    Examples
    --------
    >>> sorted(describe())
    ['cpu', 'date', 'load_average', 'python', 'versions']
    """
    return {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "load_average": load_average(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
