# SPDX-License-Identifier: BSD-3-Clause
"""What the lints share: which files there are, and how a test ends."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIP = 77


def files(*suffixes, under=("src", "include", "tests", "bench", "tools", "examples")):
    """Files of the project with one of the suffixes ("" means: without one), sorted."""
    found = []
    for folder in under:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                found.append(path)
    return found


def name(path):
    return str(path.relative_to(ROOT))


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def finish(problems, checked):
    """Prints the problems and ends the test; a lint that has looked at nothing fails."""
    for problem in problems:
        print(problem)
    print(f"{checked} checked, {len(problems)} problems")
    sys.exit(1 if problems or not checked else 0)


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
