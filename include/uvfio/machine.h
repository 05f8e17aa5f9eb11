/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A machine in this process: emulated PCI devices behind a software IOMMU, and the same files that
 * a program under `uvfio run` finds (/dev/vfio/…, /sys/bus/pci/…), without preloading anything.
 *
 * A process has one machine at a time. Every function returns 0 (or a count, or an fd) on success
 * and -errno on failure; objects come by out-parameter. Functions may be called from any thread; a
 * machine must outlive its open files.
 */
#ifndef UVFIO_MACHINE_H
#define UVFIO_MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uvfio_machine;

/** How a machine is described; zero the structure first. All strings are copied. */
struct uvfio_machine_config {
	/** "MODEL[,key=value…]" as behind `-d`, NULL-terminated; NULL: the default machine. */
	const char *const *devices;
	/** A machine description file (INI), or NULL. */
	const char *file;
	/** "amd", "intel" or "none"; NULL: "amd". */
	const char *iommu;
	/** Bytes of memlock of the machine's identity; 0: no limit. */
	uint64_t memlock;
};

/**
 * Builds a machine; -EBUSY when the process has one. @err (may be NULL) receives one sentence on
 * failure that names what is wrong and the way out. The caller owns *@out and ends it with
 * uvfio_machine_destroy().
 */
int uvfio_machine_create(const struct uvfio_machine_config *config, struct uvfio_machine **out,
			 char *err, size_t err_size);

/**
 * Ends the machine and removes its directory. 0, or -EBUSY while a file of it is open or mapped:
 * the machine goes on then.
 */
int uvfio_machine_destroy(struct uvfio_machine *machine);

/** The directory whose `sys/` and `dev/` hold the machine's tree; lives as long as the machine. */
const char *uvfio_machine_directory(const struct uvfio_machine *machine);

/** What uvfio_machine_next_device() tells of a device; strings live as long as the machine. */
struct uvfio_device_info {
	const char *address; /**< "0000:01:00.0" */
	const char *model;   /**< "nvme" */
	const char *driver;  /**< bound driver or "" */
	int group;	     /**< IOMMU group, -1: none */
	uint16_t vendor, device;
};

/** Fills @info with the device number @index (from 0); -ENOENT behind the last. */
int uvfio_machine_device(struct uvfio_machine *machine, unsigned int index,
			 struct uvfio_device_info *info);

/**
 * The system calls on the machine's files. @path is what a program would use ("/dev/vfio/vfio");
 * the fd is a real one, to be used with these functions and closed with uvfio_close().
 */
int uvfio_open(struct uvfio_machine *machine, const char *path, int flags);
int uvfio_close(struct uvfio_machine *machine, int fd);
int uvfio_ioctl(struct uvfio_machine *machine, int fd, unsigned long request, void *arg);
ssize_t uvfio_pread(struct uvfio_machine *machine, int fd, void *buf, size_t count, uint64_t off);
ssize_t uvfio_pwrite(struct uvfio_machine *machine, int fd, const void *buf, size_t count,
		     uint64_t off);
int uvfio_mmap(struct uvfio_machine *machine, void *addr, size_t len, int prot, int flags, int fd,
	       uint64_t off, void **out);
/** Also for memory of the program's own that is mapped for DMA: devices keep its pages. */
int uvfio_munmap(struct uvfio_machine *machine, void *addr, size_t len);

#ifdef __cplusplus
}
#endif

#endif
