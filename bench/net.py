#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd forwarding between two igb ports on a wire, beside DPDK's own net_memif and net_ring
devices, in one run: frames a second at 64 bytes, Gbit/s at 1500.

Each forwards a fixed number of frames in a circle between its two ports (mode io, one lcore).
Rounds are interleaved, so that a slow moment of the machine hits all of them; medians are
compared.
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
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
A, B = "0000:01:00.0", "0000:02:00.0"
SIZES = (64, 1500)


def peers(uvfio, socket):
    """Name: (command in front, EAL's devices)."""
    return {
        "igb": ([uvfio, "run", "-d", f"igb,at={A},net=wire:a", "-d", f"igb,at={B},net=wire:a",
                 "--"], ["-a", A, "-a", B]),
        "net_memif": ([], ["--no-pci", f"--vdev=net_memif0,role=server,id=0,socket={socket}",
                           f"--vdev=net_memif1,role=client,id=0,socket={socket}"]),
        # What is sent into one comes back out of it.
        "net_ring": ([], ["--no-pci", "--vdev=net_ring0", "--vdev=net_ring1"]),
    }


def measure(name, prefix, devices, size, seconds):
    """Frames a second that both ports together receive."""
    cpus = sorted(os.sched_getaffinity(0))
    lcores = f"0@{cpus[0]},1@{cpus[1 % len(cpus)]}"
    # Its output goes to a pipe: line by line, to see when it has begun.
    command = [*prefix, "stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "-m", "128",
               "--iova-mode=va", "--lcores", lcores, f"--file-prefix=bench-{os.getpid()}",
               "--no-telemetry", *devices, "--", "-i", "--total-num-mbufs=8192",
               "--forward-mode=io", f"--txpkts={size}"]
    with tempfile.TemporaryDirectory() as run:
        env = dict(os.environ, RUNTIME_DIRECTORY=run)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env,
                              stderr=subprocess.STDOUT, text=True) as process:
            process.stdin.write("start tx_first 4\n")
            process.stdin.flush()
            out = []
            for line in process.stdout:
                out.append(line)
                if "packets/burst" in line:
                    break
            # testpmd's own rates, since it was asked last.
            for pause in (0.5, seconds):
                time.sleep(pause)
                process.stdin.write("show port stats all\n")
                process.stdin.flush()
            rest = process.communicate("stop\nquit\n")[0]
    rates = [int(rate) for rate in re.findall(r"Rx-pps:\s+(\d+)", "".join(out) + rest)]
    if process.returncode or len(rates) != 4 or not sum(rates[2:]):
        sys.exit(f"bench: {name}: {' '.join(command)} failed:\n{''.join(out)}{rest}")
    return sum(rates[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--uvfio", default=str(ROOT / "uvfio"), help="the command to measure")
    args = parser.parse_args()
    rates = {}
    with tempfile.TemporaryDirectory() as tmp:
        for _ in range(args.rounds):
            for name, (prefix, devices) in peers(args.uvfio, f"{tmp}/memif").items():
                for size in SIZES:
                    rate = measure(name, prefix, devices, size, args.seconds)
                    rates.setdefault((name, size), []).append(rate)
    results = []
    for (name, size), values in rates.items():
        rate = statistics.median(values)
        results.append({"device": name, "bytes": size, "frames_per_second": round(rate),
                        "gbit_per_second": round(rate * size * 8 / 1e9, 3)})
    if args.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'device':10} {'bytes':>5} {'frames/s':>12} {'Gbit/s':>8}")
    for row in results:
        print(f"{row['device']:10} {row['bytes']:5} {row['frames_per_second']:12,} "
              f"{row['gbit_per_second']:8.3f}")


if __name__ == "__main__":
    main()
