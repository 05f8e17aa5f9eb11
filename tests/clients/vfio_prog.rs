// SPDX-License-Identifier: BSD-3-Clause
//! A small VFIO driver in Rust that knows nothing of uvfio and uses the standard library alone:
//! Identify on the NVMe controller's admin queue, completed by MSI-X, from two threads. Rust gives
//! its threads an alternate signal stack of 8 KiB, with a handler of SIGSEGV for stack overflows.
use std::ffi::{c_void, CString};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::raw::{c_int, c_long, c_uint, c_ulong};
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsRawFd, FromRawFd, RawFd};
use std::ptr::{null_mut, read_volatile, write_bytes, write_volatile};
use std::sync::{Arc, Mutex};
use std::thread;

extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn mmap(at: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, off: c_long)
        -> *mut c_void;
    fn eventfd(value: c_uint, flags: c_int) -> c_int;
}

const PAGE: usize = 4096;
const ENTRIES: usize = 16;
const QUEUES: u64 = 0x100000;
const BUFFERS: u64 = 0x200000;
const ROUNDS: usize = 20;
const SET_IOMMU: c_ulong = 0x3b66;
const SET_CONTAINER: c_ulong = 0x3b68;
const GET_DEVICE_FD: c_ulong = 0x3b6a;
const GET_REGION_INFO: c_ulong = 0x3b6c;
const SET_IRQS: c_ulong = 0x3b6e;
const MAP_DMA: c_ulong = 0x3b71;
const UNMAP_DMA: c_ulong = 0x3b72;

#[repr(C)]
#[derive(Default)]
struct RegionInfo {
    argsz: u32,
    flags: u32,
    index: u32,
    cap_offset: u32,
    size: u64,
    offset: u64,
}

#[repr(C)]
struct DmaMap {
    argsz: u32,
    flags: u32,
    vaddr: u64,
    iova: u64,
    size: u64,
}

#[repr(C)]
struct DmaUnmap {
    argsz: u32,
    flags: u32,
    iova: u64,
    size: u64,
}

#[repr(C)]
struct IrqSet {
    argsz: u32,
    flags: u32,
    index: u32,
    start: u32,
    count: u32,
    fd: i32,
}

fn call<T>(file: &File, request: c_ulong, arg: *mut T) -> c_int {
    let ret = unsafe { ioctl(file.as_raw_fd(), request, arg) };
    assert!(ret >= 0, "ioctl {:#x}: {}", request, std::io::Error::last_os_error());
    ret
}

fn open(path: &str) -> File {
    OpenOptions::new().read(true).write(true).open(path).expect(path)
}

fn map_memory(len: usize, flags: c_int, fd: RawFd, off: u64) -> usize {
    let at = unsafe { mmap(null_mut(), len, 3, flags, fd, off as c_long) };
    assert!(at as isize != -1, "mmap: {}", std::io::Error::last_os_error());
    at as usize
}

struct Queue {
    bar: usize,
    memory: usize,
    event: File,
    tail: usize,
    head: usize,
    phase: u32,
}

impl Queue {
    fn write(&self, reg: usize, value: u32) {
        unsafe { write_volatile((self.bar + reg) as *mut u32, value) }
    }

    fn read(&self, reg: usize) -> u32 {
        unsafe { read_volatile((self.bar + reg) as *const u32) }
    }

    fn enable(&self) {
        self.write(0x14, 0);
        while self.read(0x1c) & 1 != 0 {}
        self.write(0x24, ((ENTRIES - 1) << 16 | (ENTRIES - 1)) as u32);
        unsafe {
            write_volatile((self.bar + 0x28) as *mut u64, QUEUES);
            write_volatile((self.bar + 0x30) as *mut u64, QUEUES + PAGE as u64);
        }
        self.write(0x14, 0x00460001);
        while self.read(0x1c) & 1 == 0 {}
    }

    fn identify(&mut self, iova: u64) -> u32 {
        let entry = (self.memory + self.tail * 64) as *mut u32;
        unsafe {
            write_bytes(entry, 0, 16);
            *entry = 6;
            *entry.add(6) = iova as u32;
            *entry.add(10) = 1;
        }
        self.tail = (self.tail + 1) % ENTRIES;
        self.write(0x1000, self.tail as u32);
        let done = (self.memory + PAGE + self.head * 16 + 12) as *const u32;
        let mut status = unsafe { read_volatile(done) };
        while status >> 16 & 1 != self.phase {
            let mut count = [0u8; 8];
            self.event.read_exact(&mut count).expect("the interrupt");
            status = unsafe { read_volatile(done) };
        }
        self.head = (self.head + 1) % ENTRIES;
        if self.head == 0 {
            self.phase ^= 1;
        }
        self.write(0x1004, self.head as u32);
        status >> 17
    }
}

fn main() {
    let bdf = std::env::args().nth(1).unwrap_or_else(|| "0000:01:00.0".to_string());
    let link = std::fs::read_link(format!("/sys/bus/pci/devices/{}/iommu_group", bdf)).unwrap();
    let container = open("/dev/vfio/vfio");
    let group = open(&format!("/dev/vfio/{}", link.file_name().unwrap().to_str().unwrap()));
    call(&group, SET_CONTAINER, &mut container.as_raw_fd());
    call(&container, SET_IOMMU, 3 as *mut c_void);
    let name = CString::new(bdf).unwrap();
    let fd = call(&group, GET_DEVICE_FD, name.as_ptr() as *mut c_void);
    let device = unsafe { File::from_raw_fd(fd) };

    let mut config = RegionInfo { argsz: 32, index: 7, ..Default::default() };
    call(&device, GET_REGION_INFO, &mut config);
    device.write_all_at(&[6, 0], config.offset + 4).expect("COMMAND");
    let mut region = RegionInfo { argsz: 32, ..Default::default() };
    call(&device, GET_REGION_INFO, &mut region);
    let bar = map_memory(region.size as usize, 1, fd, region.offset);
    let memory = map_memory(4 * PAGE, 0x22, -1, 0);
    let dma = |page: usize, iova: u64, pages: usize| DmaMap {
        argsz: 32,
        flags: 3,
        vaddr: (memory + page * PAGE) as u64,
        iova,
        size: (pages * PAGE) as u64,
    };
    call(&container, MAP_DMA, &mut dma(0, QUEUES, 2));

    let event = unsafe { File::from_raw_fd(eventfd(0, 0)) };
    let mut irq =
        IrqSet { argsz: 24, flags: 4 | 32, index: 2, start: 0, count: 1, fd: event.as_raw_fd() };
    call(&device, SET_IRQS, &mut irq);
    let queue = Queue { bar, memory, event, tail: 0, head: 0, phase: 1 };
    queue.enable();

    let shared = Arc::new((Mutex::new(queue), container));
    let threads: Vec<_> = (0..2)
        .map(|number| {
            let shared = Arc::clone(&shared);
            let iova = BUFFERS + (number * PAGE) as u64;
            let mut map = dma(2 + number, iova, 1);
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    let mut unmap =
                        DmaUnmap { argsz: 24, flags: 0, iova, size: PAGE as u64 };
                    call(&shared.1, MAP_DMA, &mut map);
                    assert_eq!(shared.0.lock().unwrap().identify(iova), 0);
                    call(&shared.1, UNMAP_DMA, &mut unmap);
                    assert_eq!(unmap.size, PAGE as u64);
                    assert_eq!(unsafe { read_volatile(map.vaddr as *const u16) }, 0x1b36);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread");
    }
    shared.0.lock().unwrap().write(0x14, 0);
    println!("vfio_prog: done");
}
