"""`telegrad doctor` on an emulated device: `python -m gpu.doctor [options of telegrad doctor]`, with tests/ on the path.

Kernels that no test compiled are compiled at their first use, and emulated threads are slow: the whole report takes
minutes with `--quick`. Its speeds say nothing of a GPU.
"""

from __future__ import annotations

import argparse
import sys

from gpu.emulated import load_cupy


def main(arguments: list[str]) -> int:
    load_cupy(devices=2)
    from telegrad_server import doctor
    from telegrad_server.backend.cupy import describe_device
    from telegrad_server.backend.probe import Found
    from telegrad_server.doctor import examination, speed

    name, memory = describe_device(0)
    examination.found_devices = lambda: [Found("cuda:0", True, "", name, memory)]
    speed.SIZES = {**speed.SIZES, "cuda": (64, 64)}
    speed.BYTES = (1 << 20, 1 << 20)
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
