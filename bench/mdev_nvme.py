#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two processes on two NVMe slices of one parent, beside one of them alone: qemu-img bench in each.

Rounds are interleaved. QEMU's nvme:// takes PCI addresses alone; build/bench/libmdev_path.so,
preloaded into qemu-img, leads it to the mediated device. A second table has a parent with a budget
(bandwidth=) and a user of nvme_slice's for each slice, one with large commands and one with small.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "0000:01:00.0"
UUIDS = ["83b8f4f2-509f-382f-3c1e-e6bfe0fa100a", "83b8f4f2-509f-382f-3c1e-e6bfe0fa100b"]
TYPES = pathlib.Path("/sys/bus/pci/devices") / ADDRESS / "mdev_supported_types"


def qemu(uuid, depth, count, shim):
    # A session of its own, as two users have them: to the kernel's autogroups, two of one session
    # are one when others want the CPUs as well.
    env = dict(os.environ, LD_PRELOAD=f"{shim}:{os.environ.get('LD_PRELOAD', '')}")
    return subprocess.Popen(["qemu-img", "bench", "-c", str(count), "-d", str(depth), "-s", "4096",
                             "-t", "none", "-f", "raw", f"nvme://{uuid}/1"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env,
                            start_new_session=True)


def rate(process, count):
    out = process.communicate()[0]
    match = re.search(r"Run completed in ([0-9.]+) seconds", out)
    if process.returncode or not match:
        sys.exit(f"bench: {' '.join(process.args)} failed:\n{out}")
    return count / float(match.group(1))


def inside(args):
    """In the session: two slices, numbers on stdout."""
    for uuid in UUIDS:
        (TYPES / "nvme_mdev-64M" / "create").write_text(uuid)
    if args.budget:
        users = [("0", "131072", "32"), ("1", "4096", "8")]
        procs = [subprocess.Popen([args.slice, UUIDS[int(i)], "bench", str(args.seconds), depth,
                                   size], stdout=subprocess.PIPE, text=True, start_new_session=True)
                 for i, size, depth in users]
        json.dump([float(p.communicate()[0]) for p in procs], sys.stdout)
        return
    count = 5000
    while (first := rate(qemu(UUIDS[0], args.depth, count, args.shim), count)) * args.seconds / 4 \
            > count:
        count *= 4
    count = max(5000, int(first * args.seconds))
    rounds = []
    for _ in range(args.rounds):
        alone = rate(qemu(UUIDS[0], args.depth, count, args.shim), count)
        both = [qemu(uuid, args.depth, count, args.shim) for uuid in UUIDS]
        rounds.append([alone, *[rate(process, count) for process in both]])
    json.dump(rounds, sys.stdout)


def session(args, options, *more):
    command = [args.uvfio, "run", "-d", f"nvme,at={ADDRESS},driver=nvme_mdev,{options}", "--",
               sys.executable, __file__, "--inside", "--shim", args.shim, "--slice", args.slice,
               "--rounds", str(args.rounds), "--seconds", str(args.seconds), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="wanted time of one measurement")
    parser.add_argument("--uvfio", default=str(ROOT / "uvfio"), help="the command to measure")
    parser.add_argument("--shim", default=str(ROOT / "build/bench/libmdev_path.so"))
    parser.add_argument("--slice", default=str(ROOT / "build/tests/clients/nvme-slice"))
    parser.add_argument("--depth", type=int, default=32, help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--budget", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        inside(args)
        return
    results = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tmp:
        raw = pathlib.Path(tmp) / "disk.img"
        raw.write_bytes(b"\xa5" * (128 << 20))
        for doorbell in ("inline", "adaptive"):
            for depth in (1, 32):
                rounds = session(args, f"file={raw},doorbell={doorbell}", "--depth", str(depth))
                alone, one, two = (statistics.median(column) for column in zip(*rounds))
                results.append({"doorbell": doorbell, "depth": depth, "alone": round(alone),
                                "together": [round(one), round(two)],
                                "share": round(statistics.median(b / c for _, b, c in rounds), 3),
                                "sum": round(statistics.median((b + c) / a
                                                               for a, b, c in rounds), 3)})
                if not args.json:
                    row = results[-1]
                    print(f"{doorbell:9} depth {depth:3}: alone {alone / 1000:7.1f} k/s, together "
                          f"{one / 1000:.1f} k/s and {two / 1000:.1f} k/s: {row['share']:.2f} to "
                          f"1, {row['sum'] * 100:.0f} % of one alone", flush=True)
        large, small = session(args, f"file={raw},bandwidth=200M", "--budget")
        results.append({"budget": 200 << 20, "large": round(large), "small": round(small)})
        if not args.json:
            print(f"budget of 200 MiB/s: {large / 2**20:.1f} MiB/s in commands of 128 KiB, "
                  f"{small / 2**20:.1f} MiB/s in commands of 4 KiB")
    if args.json:
        json.dump(results, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
