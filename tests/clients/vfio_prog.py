#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A small VFIO driver in Python that knows nothing of uvfio: fcntl, mmap, ctypes and an eventfd.
Identify on the NVMe controller's admin queue, completed by MSI-X, from two threads."""
import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading

BDF = sys.argv[1] if len(sys.argv) > 1 else "0000:01:00.0"
PAGE = 4096
ENTRIES = 16
QUEUES, BUFFERS = 0x100000, 0x200000
(GET_API_VERSION, CHECK_EXTENSION, SET_IOMMU, GET_STATUS, SET_CONTAINER, UNSET_CONTAINER,
 GET_DEVICE_FD, GET_INFO, GET_REGION_INFO, GET_IRQ_INFO, SET_IRQS, RESET) = range(0x3b64, 0x3b70)
MAP_DMA, UNMAP_DMA = 0x3b71, 0x3b72
CC, CSTS, AQA, ASQ, ACQ, SQTAIL, CQHEAD = 0x14, 0x1c, 0x24, 0x28, 0x30, 0x1000, 0x1004


def region(device, index):
    info = bytearray(struct.pack("IIIIQQ", 32, 0, index, 0, 0, 0))
    fcntl.ioctl(device, GET_REGION_INFO, info)
    return struct.unpack("IIIIQQ", info)[4:]


class Controller:
    def __init__(self):
        group = os.path.basename(os.readlink(f"/sys/bus/pci/devices/{BDF}/iommu_group"))
        self.container = os.open("/dev/vfio/vfio", os.O_RDWR)
        assert fcntl.ioctl(self.container, GET_API_VERSION) == 0
        self.group = os.open(f"/dev/vfio/{group}", os.O_RDWR)
        fcntl.ioctl(self.group, SET_CONTAINER, struct.pack("i", self.container))
        fcntl.ioctl(self.container, SET_IOMMU, 3)
        self.device = fcntl.ioctl(self.group, GET_DEVICE_FD, bytearray(BDF.encode() + b"\0"))
        fcntl.ioctl(self.device, RESET)
        _, config = region(self.device, 7)
        os.pwrite(self.device, struct.pack("H", 6), config + 4)
        size, offset = region(self.device, 0)
        self.bar = mmap.mmap(self.device, size, offset=offset)
        self.memory = mmap.mmap(-1, 4 * PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.map(0, QUEUES, 2)
        self.event = os.eventfd(0)
        fcntl.ioctl(self.device, SET_IRQS, struct.pack("IIIIIi", 24, 4 | 32, 2, 0, 1, self.event))
        self.lock = threading.Lock()
        self.tail = self.head = 0
        self.phase = 1
        self.enable()

    def reg(self, offset, width=ctypes.c_uint32):
        return width.from_buffer(self.bar, offset)

    def map(self, page, iova, pages):
        fcntl.ioctl(self.container, MAP_DMA, struct.pack(
            "IIQQQ", 32, 3, self.address + page * PAGE, iova, pages * PAGE))

    def unmap(self, iova, pages):
        unmap = bytearray(struct.pack("IIQQ", 24, 0, iova, pages * PAGE))
        fcntl.ioctl(self.container, UNMAP_DMA, unmap)
        assert struct.unpack("IIQQ", unmap)[3] == pages * PAGE

    def enable(self):
        self.reg(CC).value = 0
        while self.reg(CSTS).value & 1:
            pass
        self.reg(AQA).value = (ENTRIES - 1) << 16 | (ENTRIES - 1)
        self.reg(ASQ, ctypes.c_uint64).value = QUEUES
        self.reg(ACQ, ctypes.c_uint64).value = QUEUES + PAGE
        self.reg(CC).value = 0x00460001
        while not self.reg(CSTS).value & 1:
            pass

    def identify(self, iova):
        with self.lock:
            struct.pack_into("I5xQ", self.memory, self.tail * 64, 6, 0)
            struct.pack_into("QQ", self.memory, self.tail * 64 + 24, iova, 0)
            struct.pack_into("I", self.memory, self.tail * 64 + 40, 1)
            self.tail = (self.tail + 1) % ENTRIES
            self.reg(SQTAIL).value = self.tail
            while True:
                status, = struct.unpack_from("I", self.memory, PAGE + self.head * 16 + 12)
                if status >> 16 & 1 == self.phase:
                    break
                os.eventfd_read(self.event)
            self.head = (self.head + 1) % ENTRIES
            self.phase ^= not self.head
            self.reg(CQHEAD).value = self.head
            return status >> 17

    def work(self, number):
        iova = BUFFERS + number * PAGE
        for _ in range(20):
            self.map(2 + number, iova, 1)
            status = self.identify(iova)
            self.unmap(iova, 1)
            vendor, = struct.unpack_from("H", self.memory, (2 + number) * PAGE)
            results.append((status, vendor))


results = []
controller = Controller()
threads = [threading.Thread(target=controller.work, args=(n,)) for n in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
controller.reg(CC).value = 0
os.close(controller.device)
os.close(controller.group)
os.close(controller.container)
assert results == [(0, 0x1b36)] * 40, results
print("vfio_prog: done")
