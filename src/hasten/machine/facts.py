"""Facts about this machine that need no measurement: CPU, instruction sets, memory, compiler, versions."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import psutil
import torch

from hasten.base.records.machine import Gpu, Machine

_CPUINFO = Path("/proc/cpuinfo")
_TOPOLOGY = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")  # version 2; a container sees its own limits at this root

# Name in the record -> the names that torch.cpu.get_capabilities and /proc/cpuinfo give it. All of a group are needed.
_ISA_NAMES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "avx2": (("avx2", "fma3"), ("avx2", "fma")),
    "avx512": (
        ("avx512_f", "avx512_bw", "avx512_dq", "avx512_vl"),
        ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
    ),
    "avx512_bf16": (("avx512_bf16",), ("avx512_bf16",)),
    "avx512_fp16": (("avx512_fp16",), ("avx512_fp16",)),
    "avx512_vnni": (("avx512_vnni",), ("avx512_vnni",)),
    "avx_vnni": (("avx_vnni",), ("avx_vnni",)),
    "avx_ne_convert": (("avx_ne_convert",), ("avx_ne_convert",)),
    "amx_bf16": (("amx_bf16", "amx_tile"), ("amx_bf16", "amx_tile")),
    "amx_fp16": (("amx_fp16", "amx_tile"), ("amx_fp16", "amx_tile")),
    "amx_int8": (("amx_int8", "amx_tile"), ("amx_int8", "amx_tile")),
    "neon": (("neon",), ("asimd",)),
    "sve": (("sve",), ("sve",)),
    "arm_bf16": (("bf16",), ("bf16",)),
    "arm_fp16": (("fp16_arith",), ("asimdhp",)),
    "arm_i8mm": (("i8mm",), ("i8mm",)),
}


def facts() -> Machine:
    """Return what can be read at once, in milliseconds: a `Machine` without peaks or remarks.

    `cores` and `memory_bytes` are what this process may use, which in a container is less than what is built in.
    """
    return Machine(
        cpu=_cpu_name(),
        isa=instruction_sets(),
        cores=usable_cores(),
        threads=torch.get_num_threads(),
        memory_bytes=_usable_memory_bytes(),
        gpu=first_gpu(),
        compiler=compiler_path(),
        platform=platform.platform(),
        python=platform.python_version(),
        torch=str(torch.__version__),
    )


def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets that matter to training, by the names of the record `Machine`."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # public since torch 2.13
    if capabilities is not None:
        found = capabilities()
        return tuple(name for name, (keys, _) in _ISA_NAMES.items() if all(found.get(key, False) for key in keys))
    flags = _cpuinfo_flags()
    return tuple(name for name, (_, words) in _ISA_NAMES.items() if flags.issuperset(words))


def usable_processors() -> set[int]:
    """Return the numbers of the logical processors that this process may run on: its affinity, or else all."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Return how many physical cores this process may keep busy: those of its affinity, at most its quota of time."""
    usable = usable_processors()
    siblings = [_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list" for cpu in sorted(usable)]
    if all(path.is_file() for path in siblings):
        cores = len({path.read_text().strip() for path in siblings})
    else:
        cores = min(psutil.cpu_count(logical=False) or len(usable), len(usable))
    return max(1, min(cores, _quota_cores() or cores))


def first_gpu() -> Gpu | None:
    """Return the current CUDA or ROCm device, or None if torch can use none."""
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return Gpu(
        name=properties.name,
        capability=(properties.major, properties.minor),
        memory_bytes=properties.total_memory,
    )


def compiler_path() -> str | None:
    """Return the path of the C++ compiler that `torch.compile` would use on the CPU, or None if it would find none.

    The rule is that of `torch._inductor.config.cpp.cxx`, written again because importing that module takes a second.
    """
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX", usual))


@lru_cache(maxsize=1)
def _cpuinfo() -> str:
    return _CPUINFO.read_text() if _CPUINFO.is_file() else ""


def _cpuinfo_flags() -> frozenset[str]:
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", _cpuinfo(), re.MULTILINE)
    return frozenset(line[1].split()) if line else frozenset()


@lru_cache(maxsize=1)
def _cpu_name() -> str:
    line = re.search(r"^model name\s*:(.*)$", _cpuinfo(), re.MULTILINE)
    if line:
        return line[1].strip()
    if sys.platform == "darwin":
        question = ["sysctl", "-n", "machdep.cpu.brand_string"]
        answer = subprocess.run(question, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return answer.stdout.strip()
    return platform.processor() or platform.machine()


def _quota_cores() -> int | None:
    """Return the whole cores that the control group's quota pays for, or None where there is no quota."""
    path = _CGROUP / "cpu.max"
    if not path.is_file():
        return None
    quota, period = path.read_text().split()
    return None if quota == "max" else max(1, int(quota) // int(period))


def _usable_memory_bytes() -> int:
    built_in = psutil.virtual_memory().total
    path = _CGROUP / "memory.max"
    limit = path.read_text().strip() if path.is_file() else "max"
    return built_in if limit == "max" else min(built_in, int(limit))
