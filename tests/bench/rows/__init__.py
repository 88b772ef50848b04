"""The rows, in groups. Each gives results with their targets; without torch its rows say so."""

from __future__ import annotations

from bench.rows.idioms import idioms, idioms_near, reading
from bench.rows.install import install
from bench.rows.training import against_torch, delayed, in_process, recording
from bench.rows.transport import memory, round_trip, transfers

ROWS = {
    "recording": recording,
    "models": against_torch,
    "in_process": in_process,
    "delayed": delayed,
    "idioms": idioms,
    "idioms_near": idioms_near,
    "reading": reading,
    "transfers": transfers,
    "memory": memory,
    "round_trip": round_trip,
    "install": install,
}
ON_REQUEST = {"install"}
"""Groups that run only when asked for: they take long, or need the network."""
