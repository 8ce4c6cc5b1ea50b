"""How much memory there is on a device, how much was used at most, and the errors of running out of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path

import torch

from seedsweep.core.errors import UserError

#: Usable share of a GPU's memory: libraries take workspaces, and fragmentation takes the rest.
USABLE = 0.85
#: What is said of one member, and what to do.
TOO_LARGE = (
    "needs more memory than there is: a smaller training.batch, training.microbatch or model needs less, and a larger "
    "share of a GPU has more"
)


class OutOfMemoryError(UserError):
    """One member alone needs more memory than there is; the text says what to do."""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory could not be had. torch has several kinds, on a GPU and off."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError | OutOfMemoryError):
        return True
    words = ("out of memory", "allocate memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def release(device: torch.device) -> None:
    """Give back what is kept and not used."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def keep_freed() -> None:
    """Let this process keep what it frees: the C library would give large blocks back to the system after each step,
    which then clears every page again for the next. Where there is no glibc nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        # M_MMAP_THRESHOLD, at most 32 MiB, and M_TRIM_THRESHOLD of malloc.h.
        library.mallopt(-3, 32 * 2**20)
        library.mallopt(-1, 2**31 - 1)


def available(device: torch.device, share: float) -> float:
    """Bytes that a program with this share of the device may use, itself included."""
    if device.type == "cuda":
        return USABLE * share * torch.cuda.get_device_properties(device).total_memory
    return USABLE * share * _host()


def begin_peak(device: torch.device) -> None:
    """Forget the peak so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: torch.device) -> float:
    """Most bytes that this program used since `begin_peak`, of everything that it holds; 0 where nobody knows."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device))
    return 1024.0 * _field(Path("/proc/self/status"), "VmHWM")


def _host() -> float:
    """Bytes of the host's memory, or of what a container or a job may use of it."""
    total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(OSError, ValueError):
        own = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip().lstrip("/")
        for group in (Path(own), *Path(own).parents):
            with contextlib.suppress(OSError, ValueError):
                total = min(total, float(Path("/sys/fs/cgroup", group, "memory.max").read_text()))
    return total


def _field(file: Path, name: str) -> float:
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1])
    return 0.0
