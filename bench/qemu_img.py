#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""qemu-img bench on uvfio beside its peers: tmpfs (threads, native AIO) and null-co, in one run.

Rounds are interleaved, so that a slow moment of the machine hits all of them; medians are compared.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "0000:01:00.0"


def run(prefix, image_args, depth, count, write):
    command = [*prefix, "qemu-img", "bench", "-c", str(count), "-d", str(depth), "-s", "4096",
               *(["-w"] if write else []), *image_args]
    return command, subprocess.run(command, capture_output=True, text=True, check=False)


def works(prefix, image_args):
    return run(prefix, image_args, 1, 1, False)[1].returncode == 0


def bench(prefix, image_args, depth, count, write):
    command, done = run(prefix, image_args, depth, count, write)
    match = re.search(r"Run completed in ([0-9.]+) seconds", done.stdout)
    if done.returncode or not match:
        sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return count / float(match.group(1))


def count_for(prefix, image_args, depth, write, seconds):
    """How many requests take about that long, start-up effects left out."""
    count = 5000
    while True:
        rate = bench(prefix, image_args, depth, count, write)
        if count / rate >= seconds / 4:
            return max(5000, int(rate * seconds))
        count *= 4


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="wanted time of one measurement")
    parser.add_argument("--uvfio", default=str(ROOT / "uvfio"), help="the command to measure")
    args = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tmp:
        raw = pathlib.Path(tmp) / "disk.img"
        with raw.open("wb") as image:
            for _ in range(256):
                image.write(b"\xa5" * (1 << 20))
        uvfio = [args.uvfio, "run", "-d", f"nvme,at={ADDRESS},file={raw}", "--"]
        nvme = ["-t", "none", "-f", "raw", f"nvme://{ADDRESS}/1"]
        peers = {
            "uvfio": (uvfio, nvme),
            "tmpfs threads": ([], ["-t", "writeback", "-i", "threads", "-f", "raw", str(raw)]),
            "tmpfs aio": ([], ["-t", "none", "-i", "native", "-f", "raw", str(raw)]),
            "null-co": ([], ["-f", "raw", "null-co://"]),
        }
        if not works(*peers["tmpfs aio"]):
            # Kernels before 6.6 refuse O_DIRECT on tmpfs, without which QEMU refuses native AIO.
            peers["tmpfs io_uring"] = ([], ["-t", "writeback", "-i", "io_uring", "-f", "raw",
                                            str(raw)])
            del peers["tmpfs aio"]
        for write in (False, True):
            for depth in (1, 32, 128):
                rates = {name: [] for name in peers}
                counts = {}
                for name, (prefix, image) in peers.items():
                    counts[name] = count_for(prefix, image, depth, write, args.seconds)
                for _ in range(args.rounds):
                    for name, (prefix, image) in peers.items():
                        rates[name].append(bench(prefix, image, depth, counts[name], write))
                medians = {name: statistics.median(values) for name, values in rates.items()}
                results.append({"operation": "write" if write else "read", "depth": depth,
                                "iops": {k: round(v) for k, v in medians.items()},
                                "ratio": {k: round(medians["uvfio"] / v, 2)
                                          for k, v in medians.items() if k != "uvfio"}})
                if not args.json:
                    if len(results) == 1:
                        print(f"{'4 KiB':6} {'depth':>5} " + "".join(f"{n:>15}" for n in peers) +
                              "   uvfio compared")
                    row = results[-1]
                    print(f"{row['operation']:6} {depth:5} " +
                          "".join(f"{v / 1000:13.1f} k" for v in medians.values()) + "   " +
                          ", ".join(f"{v} x {k}" for k, v in row["ratio"].items()), flush=True)
    if args.json:
        json.dump(results, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
