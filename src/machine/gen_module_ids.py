#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the arrays of module_ids.c from module_ids.list.

usage: gen_module_ids.py module_ids.list OUT.h
"""
import sys


def main():
    source, header = sys.argv[1:]
    tables = {}
    with open(source, encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) == 1:
                ids = tables.setdefault(words[0], [])
                continue
            vendor = words[0].rstrip(":")
            ids += [int(vendor + device, 16) for device in words[1:]]
    with open(header, "w", encoding="ascii") as out:
        out.write("/* Made by gen_module_ids.py from module_ids.list. */\n")
        for name, ids in tables.items():
            out.write(f"static const uint32_t {name}_ids[] = {{\n")
            out.write("".join(f"\t0x{i:08x},\n" for i in ids) + "};\n\n")


main()
