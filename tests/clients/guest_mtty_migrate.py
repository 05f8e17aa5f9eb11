#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""guest_mtty_migrate.py FOLDER QEMU...: in a session, starts a guest with one serial card under the
QEMU command given, and when characters are under way moves it to a second QEMU with another card,
by `migrate` over a unix socket. What the guest says is in FOLDER/console-a and FOLDER/console-b.
"""
import json
import pathlib
import socket
import subprocess
import sys
import time

PATIENCE = 240
UUIDS = {"a": "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "b": "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"}
TYPE = pathlib.Path("/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2")


class Qemu:
    """One QEMU: its process, its machine protocol and the guest's console."""

    def __init__(self, folder, name, command, more):
        self.console = folder / f"console-{name}"
        self.serial_path = folder / f"serial-{name}"
        self.qmp_path = folder / f"qmp-{name}"
        self.process = subprocess.Popen(
            [*command, *more,
             "-chardev", f"socket,id=c,path={self.serial_path},server=on,wait=off,"
                         f"logfile={self.console}",
             "-serial", "chardev:c",
             "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
             "-device", f"vfio-pci,sysfsdev=/sys/bus/mdev/devices/{UUIDS[name]},id=card"],
            stdin=subprocess.DEVNULL)
        self.qmp = self.connect(self.qmp_path).makefile("rw")
        json.loads(self.qmp.readline())
        self.command("qmp_capabilities")

    def connect(self, path):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                sock = socket.socket(socket.AF_UNIX)
                sock.connect(str(path))
                return sock
            except OSError:
                sock.close()
                if self.process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"QEMU does not answer (status {self.process.poll()})")
                time.sleep(0.05)

    def command(self, name, **arguments):
        self.qmp.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if "error" in answer:
                sys.exit(f"{name}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def said(self):
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def wait_said(self, text, times=1):
        end = time.monotonic() + PATIENCE
        while self.said().count(text) < times:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"the guest does not say {text!r} (QEMU's status {self.process.poll()})")
            time.sleep(0.05)

    def type(self, text):
        self.connect(self.serial_path).sendall(text.encode())


def main():
    folder = pathlib.Path(sys.argv[1])
    for uuid in UUIDS.values():
        (TYPE / "create").write_text(uuid)
    source = Qemu(folder, "a", sys.argv[2:], [])
    source.wait_said("waiting in the FIFOs")
    source.wait_said("stream at", 3)
    there = folder / "migration"
    target = Qemu(folder, "b", sys.argv[2:], ["-incoming", f"unix:{there}"])
    source.command("migrate-set-parameters", **{"max-bandwidth": 1 << 40,
                                                "downtime-limit": 2000})
    source.command("migrate", uri=f"unix:{there}")
    end = time.monotonic() + PATIENCE
    while True:
        status = source.command("query-migrate")
        if status["status"] == "completed":
            break
        if status["status"] in ("failed", "cancelled") or time.monotonic() > end:
            sys.exit(f"migrate: {status}")
        time.sleep(0.1)
    vfio = status.get("vfio", {}).get("transferred", 0)
    print(f"migrated: {status['ram']['transferred']} bytes of memory, {vfio} of the card, "
          f"{status['downtime']} ms without guest")
    source.command("quit")
    source.process.wait(PATIENCE)
    target.wait_said("stream at", 2)
    target.type("enough\n")
    status = target.process.wait(PATIENCE)
    print(f"second QEMU: status {status}")
    for uuid in UUIDS.values():
        pathlib.Path(f"/sys/bus/mdev/devices/{uuid}/remove").write_text("1")
    return status


if __name__ == "__main__":
    sys.exit(main())
