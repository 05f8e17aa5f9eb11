#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What interposition costs programs that have nothing to do with VFIO: `find /usr -xdev`, the
compiler, and starting a program, in a session beside bare.

Runs are paired and take turns, so that a slow moment of the machine hits both; the median of the
pairs' ratios is compared with the limit. CPU time counts (user and system, of the command and its
children), as wall time is the neighbours' as well. The session is made once; what making one costs
is a line of its own. --instructions has valgrind count those of the programs in user mode, too.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 1.03
DEVICE = ["-d", "nvme,size=64M"]


def timed(command, env, count=1):
    """Wall and CPU seconds of @count runs."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    for _ in range(count):
        done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=False)
        if done.returncode > 1:
            sys.exit(f"interpose: {' '.join(command)} ended with {done.returncode}")
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pairs(command, environments, rounds, count=1):
    """Per environment: a list of (wall, cpu); the order changes with each round."""
    results = {name: [] for name in environments}
    for turn in range(rounds):
        names = list(environments) if turn % 2 else list(environments)[::-1]
        for name in names:
            results[name].append(timed(command, environments[name], count))
    return results


def ratio(results, which):
    return statistics.median(b[which] / a[which] for a, b in zip(results["bare"],
                                                                 results["session"]))


def instructions(command, env):
    """Of the command and its children, in user mode."""
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(["valgrind", "--tool=callgrind", "--trace-children=yes",
                        f"--callgrind-out-file={tmp}/out.%p", *command], env=env, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        texts = [path.read_text(errors="replace") for path in pathlib.Path(tmp).iterdir()]
    return sum(int(match.group(1)) for text in texts
               for match in [re.search(r"^summary: (\d+)", text, re.M)] if match)


def session_environment(uvfio, directory):
    out = subprocess.run([*uvfio, "run", "--session", directory, "--", "env", "-0"], check=True,
                         capture_output=True).stdout
    return dict(item.decode().split("=", 1) for item in out.split(b"\0") if item)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--uvfio", default=str(ROOT / "uvfio"), help="the command to measure")
    parser.add_argument("--instructions", action="store_true", help="count them with valgrind")
    args = parser.parse_args()
    uvfio = [args.uvfio]
    compiler = os.environ.get("CC", "gcc").split()
    source = ROOT / "src" / "machine" / "admin.c"
    results = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tmp:
        made = subprocess.run([*uvfio, "run", "--keep", *DEVICE, "--", "true"], check=True,
                              env=dict(os.environ, UVFIO_DIR=tmp), capture_output=True, text=True)
        directory = re.search(r"kept in (\S+)", made.stderr).group(1)
        bare = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "UVFIO_SESSION")}
        environments = {"bare": bare, "session": session_environment(uvfio, directory)}
        commands = {
            "find": (["find", "/usr", "-xdev"], 1),
            "compile": ([*compiler, "-O2", "-D_GNU_SOURCE", f"-I{ROOT}/src",
                         f"-I{ROOT}/include", "-c", str(source), "-o", f"{tmp}/out.o"], 1),
            "start": (["true"], 50),
        }
        for name, (command, count) in commands.items():
            timed(command, bare)
            found = pairs(command, environments, args.rounds, count)
            results[name] = {"cpu": ratio(found, 1), "wall": ratio(found, 0),
                             **{f"{kind}_ms": 1e3 / count * statistics.median(r[1] for r in runs)
                                for kind, runs in found.items()}}
            if args.instructions and shutil.which("valgrind"):
                results[name]["instructions"] = (instructions(command, environments["session"]) /
                                                 instructions(command, bare))
        walls = [timed([*uvfio, "run", *DEVICE, "--", "true"], dict(bare, UVFIO_DIR=tmp))
                 for _ in range(args.rounds)]
        results["run"] = {"wall_ms": 1e3 * statistics.median(w for w, _ in walls),
                          "cpu_ms": 1e3 * statistics.median(c for _, c in walls)}
    if args.json:
        json.dump(results, sys.stdout, indent=1)
        print()
        return
    print("CPU time in a session beside bare, medians of pairs")
    for name in commands:
        r = results[name]
        limit = f"  (at most {LIMIT:.2f})" if name != "start" else ""
        more = f"  instructions {r['instructions']:.3f}" if "instructions" in r else ""
        print(f"  {name:8} {r['cpu']:6.3f}{limit:18} wall {r['wall']:6.3f}{more}"
              f"  {r['bare_ms']:.2f} -> {r['session_ms']:.2f} ms")
    print(f"  `uvfio run -- true` {results['run']['wall_ms']:.1f} ms, "
          f"{results['run']['cpu_ms']:.1f} ms of CPU time")


if __name__ == "__main__":
    main()
