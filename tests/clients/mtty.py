#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mtty.py FOLDER: serial cards of a session, seen by processes that know VFIO alone: lines between
two processes, to a terminal and to a file, users that are killed, ports that run out. Prints one
line for each thing that was found to be so."""
import errno
import fcntl
import os
import pathlib
import random
import select
import signal
import struct
import subprocess
import sys
import time

PARENT = pathlib.Path("/sys/class/mdev_bus/mtty/mdev_supported_types")
BUS = pathlib.Path("/sys/bus/mdev/devices")
SET_CONTAINER, SET_IOMMU, GET_DEVICE_FD = 0x3b68, 0x3b66, 0x3b6a
SET_IRQS, RESET = 0x3b6e, 0x3b6f
THR = RBR = 0
IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR = 1, 2, 2, 3, 4, 5, 6, 7
A, B = "aaaaaaaa-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"
BYTES = 4000
PATIENCE = 60


def create(kind, uuid):
    (PARENT / kind / "create").write_text(uuid)


def remove(uuid):
    (BUS / uuid / "remove").write_text("1")


def line(uuid, port, text=None):
    path = BUS / uuid / "vendor" / f"port{port}"
    if text is not None:
        path.write_text(text)
    return path.read_text().rstrip("\n")


class Card:
    """An instance, open, with its interrupt."""

    def __init__(self, uuid):
        group = os.path.basename(os.readlink(BUS / uuid / "iommu_group"))
        self.container = os.open("/dev/vfio/vfio", os.O_RDWR)
        self.group = os.open(f"/dev/vfio/{group}", os.O_RDWR)
        fcntl.ioctl(self.group, SET_CONTAINER, struct.pack("i", self.container))
        fcntl.ioctl(self.container, SET_IOMMU, 1)
        self.device = fcntl.ioctl(self.group, GET_DEVICE_FD, bytearray(uuid.encode() + b"\0"))
        self.event = os.eventfd(0)
        fcntl.ioctl(self.device, SET_IRQS, struct.pack("IIIIIi", 24, 4 | 32, 0, 0, 1, self.event))

    def close(self):
        for fd in (self.event, self.device, self.group, self.container):
            os.close(fd)

    def get(self, reg, port=0):
        return os.pread(self.device, 1, port << 40 | reg)[0]

    def put(self, reg, value, port=0):
        os.pwrite(self.device, bytes([value & 0xff]), port << 40 | reg)

    def start(self):
        """As a driver that is awake: FIFOs, DTR and RTS, interrupts."""
        self.put(FCR, 1)
        self.put(MCR, 3)
        self.put(IER, 0x0b)

    def wait(self):
        """Until the interrupt comes; then it may come again."""
        if not select.select([self.event], [], [], PATIENCE)[0]:
            sys.exit("no interrupt comes")
        os.eventfd_read(self.event)
        while self.get(IIR) & 0x0f in (0, 2):
            self.get(MSR)
        fcntl.ioctl(self.device, SET_IRQS, struct.pack("IIIII", 20, 1 | 16, 0, 0, 1))

    def send(self, data):
        """What the transmitter takes now."""
        if not self.get(LSR) & 0x20:
            return 0
        for byte in data[:16]:
            self.put(THR, byte)
        return len(data[:16])

    def receive(self):
        got = bytearray()
        while self.get(LSR) & 1:
            got.append(self.get(RBR))
        return bytes(got)


def said(text):
    print(text, flush=True)


def child(function, *args):
    """Runs it in a process of its own; it starts anew, since what was opened does not survive."""
    return subprocess.Popen([sys.executable, __file__, function.__name__, *map(str, args)],
                            stdout=subprocess.PIPE, text=True)


def send_back(uuid, count):
    """The far end: everything that comes goes back."""
    card, held, done = Card(uuid), b"", 0
    card.start()
    said("open")
    while done < int(count):
        held += card.receive()
        n = card.send(held)
        held, done = held[n:], done + n
        if not n:
            card.wait()
    said("sent back")


def sleeps(uuid):
    """Takes 16 characters and no more."""
    card = Card(uuid)
    card.start()
    said("open")
    signal.pause()


def hammers(uuid, seed):
    """Touches registers at random until it is killed."""
    card = Card(uuid)
    rng = random.Random(int(seed))
    said("open")
    while True:
        card.put(rng.choice((THR, IER, FCR, LCR, MCR, SCR)), rng.randrange(256), rng.randrange(2))
        card.get(rng.randrange(8), rng.randrange(2))


def cable():
    line(A, 0, f"cable:{B}:0")
    assert line(B, 0) == f"cable:{A}:0"
    far = child(send_back, B, BYTES)
    assert far.stdout.readline() == "open\n"
    card = Card(A)
    card.start()
    data = bytes(i * 31 & 0xff for i in range(BYTES))
    sent, got = 0, b""
    while len(got) < BYTES:
        n = card.send(data[sent:])
        sent += n
        more = card.receive()
        got += more
        if not n and not more:
            card.wait()
    assert got == data, "what came back differs"
    assert far.wait(PATIENCE) == 0
    said(f"a cable between two processes carried {BYTES} characters there and back")
    end = time.monotonic() + PATIENCE
    while card.get(MSR) & 0xf0:
        assert time.monotonic() < end, "the far end's signals stay"
        card.wait()
    said("the modem signals fell when the other end was closed")
    card.close()


def killed():
    far = child(sleeps, B)
    assert far.stdout.readline() == "open\n"
    card = Card(A)
    card.start()
    assert card.get(MSR) & 0xf0 == 0xb0
    card.send(bytes(16))
    for i in range(16):
        card.put(THR, i)
    assert not card.get(LSR) & 0x20, "the sender does not wait"
    far.kill()
    far.wait()
    end = time.monotonic() + PATIENCE
    while not card.get(LSR) & 0x20 or card.get(MSR) & 0xf0:
        assert time.monotonic() < end, "the sender waits for a dead process"
        time.sleep(0.02)
    said("a killed process at the far end lets the sender go")
    card.close()
    line(A, 0, "loopback")
    for seed in range(12):
        victim = child(hammers, A, seed)
        assert victim.stdout.readline() == "open\n"
        time.sleep(random.random() / 50)
        victim.kill()
        victim.wait()
        card = Card(A)
        # What it left in the FIFOs, a break that is due among it, is its own.
        fcntl.ioctl(card.device, RESET)
        card.put(FCR, 1)
        card.put(MCR, 3)
        card.put(THR, 0x41 + seed)
        got = card.receive()
        assert got == bytes([0x41 + seed]), got
        card.close()
    said("killed users leave cards that work")


def has_ptys():
    """A container may have no devpts."""
    try:
        for fd in os.openpty():
            os.close(fd)
        return True
    except OSError:
        return False


def terminal():
    if not has_ptys():
        said("a terminal talks with a port: left out, there is no /dev/pts")
        return
    line(A, 1, "pty")
    card = Card(A)
    name = line(A, 1)
    assert name.startswith("pty:/dev/pts/"), name
    tty = os.open(name[4:], os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(card.device, RESET)
    card.put(FCR, 1, 1)
    card.put(MCR, 3, 1)
    for byte in b"login: ":
        card.put(THR, byte, 1)
    got = b""
    while len(got) < 7:
        assert select.select([tty], [], [], PATIENCE)[0], f"only {got} came"
        got += os.read(tty, 100)
    assert got == b"login: ", got
    os.write(tty, b"root\n")
    got, end = b"", time.monotonic() + PATIENCE
    while len(got) < 5:
        assert time.monotonic() < end, f"only {got} came"
        if card.get(LSR, 1) & 1:
            got += bytes([card.get(RBR, 1)])
        else:
            time.sleep(0.005)
    assert got == b"root\n", got
    os.close(tty)
    card.close()
    assert line(A, 1) == "pty"
    user = child(sleeps, A)
    assert user.stdout.readline() == "open\n"
    assert line(A, 1).startswith("pty:/dev/pts/")
    user.kill()
    user.wait()
    assert line(A, 1) == "pty", "of a user that is dead"
    said("a terminal talks with a port")


def file(folder):
    log = folder / "port.log"
    line(A, 1, f"file:{log}")
    card = Card(A)
    for byte in b"kept\n":
        card.put(THR, byte, 1)
    card.close()
    assert log.read_bytes() == b"kept\n"
    line(A, 1, "file:/nonexistent/x")
    try:
        Card(A)
        sys.exit("a file that cannot be made was opened")
    except FileNotFoundError:
        pass
    line(A, 1, "loopback")
    said("a port's output is in a file")


def ports():
    uuids = [f"00000000-0000-0000-0000-{i:012}" for i in range(10)]
    for uuid in uuids:
        create("mtty-2", uuid)
    assert (PARENT / "mtty-1" / "available_instances").read_text() == "1\n"
    assert (PARENT / "mtty-2" / "available_instances").read_text() == "0\n"
    try:
        create("mtty-2", "ffffffff-0000-0000-0000-000000000000")
        sys.exit("more ports than there are")
    except OSError as wrong:
        assert wrong.errno == errno.ENOSPC, wrong
    for uuid in uuids:
        remove(uuid)
    assert (PARENT / "mtty-1" / "available_instances").read_text() == "21\n"
    said("24 ports and no more")


def main():
    folder = pathlib.Path(sys.argv[1])
    create("mtty-2", A)
    create("mtty-1", B)
    cable()
    killed()
    terminal()
    file(folder)
    ports()
    remove(A)
    remove(B)
    said("done")


if __name__ == "__main__":
    if sys.argv[1] in ("send_back", "sleeps", "hammers"):
        globals()[sys.argv[1]](*sys.argv[2:])
    else:
        main()
