# SPDX-License-Identifier: BSD-3-Clause
"""config_space.py ADDRESS: walks the capability lists of a function through sysfs, prints one line
`OFFSET ID` for each, and asks setpci to write ones and zeroes into all 4096 bytes: nothing that
identifies the function or forms the lists may change."""
import os
import subprocess
import sys

address = sys.argv[1]
fd = os.open(f"/sys/bus/pci/devices/{address}/config", os.O_RDONLY)


def read(offset, size):
    return int.from_bytes(os.pread(fd, size, offset), "little")


fixed = [(0x00, 4), (0x08, 4), (0x0E, 1), (0x2C, 4), (0x34, 1), (0x3D, 1)]
offset = read(0x34, 1)
while offset:
    print(f"{offset:02x} {read(offset, 1):02x}")
    fixed.append((offset, 2))
    offset = read(offset + 1, 1)
offset = 0x100
while offset and read(offset, 4):
    print(f"{offset:03x} {read(offset, 2):04x}")
    fixed.append((offset, 4))
    offset = read(offset + 2, 2) >> 4
before = {place: read(*place) for place in fixed}
bars = [read(0x10 + 4 * i, 4) for i in range(6)]
command = read(4, 2)
for value in "ffffffff", "00000000":
    writes = [f"{o:03x}.l={value}" for o in range(0, 4096, 4)]
    for i in range(0, len(writes), 256):
        subprocess.run(["setpci", "-s", address, *writes[i : i + 256]], check=True)
for place in fixed:
    if read(*place) != before[place]:
        print(f"{place[0]:03x} was changed from {before[place]:x} to {read(*place):x}")
# After the zeroes a BAR shows its type, the upper half of a 64-bit one nothing.
upper = False
for i, bar in enumerate(bars):
    expected = 0 if upper else bar & (3 if bar & 1 else 15)
    if read(0x10 + 4 * i, 4) != expected:
        print(f"BAR {i} is {read(0x10 + 4 * i, 4):x}, not {expected:x}")
    upper = not upper and bar & 7 == 4
subprocess.run(["setpci", "-s", address, f"COMMAND={command:x}"], check=True)
