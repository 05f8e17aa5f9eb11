/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C API's machine.h (include/uvfio): a door without interposition. Each call raises the
 * library's depth, as every door does, and runs deferred register writes on its way out.
 */
#include <uvfio/machine.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/depth.h"
#include "file/file.h"
#include "hostmem/frames.h"
#include "machine/launch.h"
#include "machine/machine_priv.h"

#define API __attribute__((visibility("default")))

static void enter(void)
{
	depth_enter();
}

static void leave(void)
{
	if (lib_depth == 1)
		pci_run_deferred();
	depth_leave();
}

static int describe(const struct uvfio_machine_config *config, struct description *desc, char *err,
		    size_t err_size)
{
	int ret = 0;

	if (config->file)
		ret = description_parse_file(desc, config->file, err, err_size);
	for (const char *const *dev = config->devices; dev && *dev && !ret; dev++)
		ret = description_add_device(desc, *dev, err, err_size);
	if (config->iommu && !ret)
		ret = description_set_iommu(desc, config->iommu, err, err_size);
	return ret;
}

API int uvfio_machine_create(const struct uvfio_machine_config *config, struct uvfio_machine **out,
			     char *err, size_t err_size)
{
	static const struct uvfio_machine_config defaults;
	struct session_identity identity = session_identity_root;
	struct description *desc;
	struct session *session;
	char message[1024] = "";
	int ret;

	if (!config)
		config = &defaults;
	if (config->memlock) {
		identity.memlock = config->memlock;
		identity.caps &= ~(1ULL << CAP_IPC_LOCK);
	}
	if (vfio_core_get()) {
		if (err && err_size)
			snprintf(err, err_size, "the process has a machine; destroy it first");
		return -EBUSY;
	}
	enter();
	ret = description_create(&desc);
	if (!ret) {
		ret = describe(config, desc, message, sizeof(message));
		if (ret)
			description_free(desc);
		else
			ret = machine_launch(desc, &identity, &session, out, message,
					     sizeof(message));
	}
	leave();
	if (ret && err && err_size)
		snprintf(err, err_size, "%s", message[0] ? message : strerror(-ret));
	return ret;
}

API int uvfio_machine_destroy(struct uvfio_machine *machine)
{
	struct session *session;
	int ret = 0;

	if (!machine)
		return 0;
	enter();
	/* Unbinding would wait for whoever has the device open: for the caller. */
	if (file_any() || atomic_load(&machine->assigns)) {
		ret = -EBUSY;
	} else {
		session = machine->session;
		machine_detach(machine);
		session_remove(session);
		session_close(session);
	}
	leave();
	return ret;
}

API const char *uvfio_machine_directory(const struct uvfio_machine *machine)
{
	return session_dir(machine->session);
}

API int uvfio_machine_device(struct uvfio_machine *machine, unsigned int index,
			     struct uvfio_device_info *info)
{
	struct machine_function *fn;
	int ret = -ENOENT;

	enter();
	admin_sync(machine);
	device_core_lock(machine->core);
	list_for_each_entry(fn, &machine->functions, node) {
		if (!fn->desc || !fn->pdev || index--)
			continue;
		info->address = fn->name;
		info->model = fn->pdev->model->name;
		info->driver = fn->pdev->dev.driver ? fn->pdev->dev.driver->name : "";
		info->group = fn->group == NO_GROUP ? -1 : (int)fn->group;
		info->vendor = fn->pdev->vendor;
		info->device = fn->pdev->device;
		ret = 0;
		break;
	}
	device_core_unlock(machine->core);
	leave();
	return ret;
}

/* An ordinary file, directory or link of the tree, or of the host. */
static int open_ordinary(struct uvfio_machine *machine, const char *path, int flags)
{
	char translated[PATH_MAX];
	int fd;

	if (session_translate(machine->session, path, translated, sizeof(translated)))
		path = translated;
	fd = open(path, flags & ~(O_CREAT | O_TRUNC));
	return fd < 0 ? -errno : fd;
}

API int uvfio_open(struct uvfio_machine *machine, const char *path, int flags)
{
	struct file *file;
	int ret;

	enter();
	ret = machine_open(machine, path, flags, &file);
	if (ret == 1) {
		ret = open_ordinary(machine, path, flags);
	} else if (!ret) {
		ret = file_install(file, flags);
		if (ret < 0)
			file_put(file);
	}
	leave();
	return ret;
}

API int uvfio_close(struct uvfio_machine *machine, int fd)
{
	int ret;

	enter();
	/* Forgotten before the number is free: another thread may get it at once. */
	if (file_fd_maybe(fd))
		file_fd_close(fd);
	ret = close(fd) < 0 ? -errno : 0;
	leave();
	return ret;
}

API int uvfio_ioctl(struct uvfio_machine *machine, int fd, unsigned long request, void *arg)
{
	struct file *file;
	int ret = -EBADF;

	enter();
	file = file_from_fd(fd);
	if (file) {
		ret = (int)file_ioctl(file, (unsigned int)request, (unsigned long)arg);
		file_put(file);
	} else if (fcntl(fd, F_GETFD) >= 0) {
		ret = -ENOTTY;
	}
	leave();
	return ret;
}

/* pread(), or pwrite() with @write, on a file of the machine's or another. */
static ssize_t transfer(int fd, void *buf, size_t count, uint64_t off, bool write)
{
	struct file *file;
	ssize_t ret;

	enter();
	file = file_from_fd(fd);
	if (file) {
		ret = write ? file_pwrite(file, (uintptr_t)buf, count, off)
			    : file_pread(file, (uintptr_t)buf, count, off);
		file_put(file);
	} else {
		ret = write ? pwrite(fd, buf, count, (off_t)off)
			    : pread(fd, buf, count, (off_t)off);
		if (ret < 0)
			ret = -errno;
	}
	leave();
	return ret;
}

API ssize_t uvfio_pread(struct uvfio_machine *machine, int fd, void *buf, size_t count,
			uint64_t off)
{
	return transfer(fd, buf, count, off, false);
}

API ssize_t uvfio_pwrite(struct uvfio_machine *machine, int fd, const void *buf, size_t count,
			 uint64_t off)
{
	return transfer(fd, (void *)buf, count, off, true);
}

/* What stands there is about to go: devices keep the pages, mappings of files are forgotten. */
static int vacate(struct uvfio_machine *machine, void *addr, size_t len)
{
	int ret = file_munmap((uintptr_t)addr, len);

	if (!ret)
		hostmem_will_unmap(machine->hm, (uintptr_t)addr, len);
	return ret;
}

static bool is_range(const void *addr, size_t len)
{
	return len && len <= 1UL << 47 && IS_ALIGNED((uintptr_t)addr, HOST_PAGE_SIZE);
}

/* Around what takes pages away: devices without an IOMMU do not find them any more. */
static void leave_begin(struct uvfio_machine *machine, struct frames_leaving *leaving, void *addr,
			size_t len)
{
	if (machine->frames)
		frames_unmap_begin(machine->frames, leaving, (uintptr_t)addr, len);
}

static void leave_end(struct uvfio_machine *machine, struct frames_leaving *leaving,
		      enum frames_gone how, bool done)
{
	if (machine->frames)
		frames_unmap_end(machine->frames, leaving, how, done);
}

API int uvfio_mmap(struct uvfio_machine *machine, void *addr, size_t len, int prot, int flags,
		   int fd, uint64_t off, void **out)
{
	struct frames_leaving leaving;
	struct file *file;
	int ret = 0;

	enter();
	leave_begin(machine, &leaving, addr, flags & MAP_FIXED ? len : 0);
	file = flags & MAP_ANONYMOUS ? NULL : file_from_fd(fd);
	if (flags & MAP_FIXED && is_range(addr, len))
		ret = vacate(machine, addr, ALIGN_UP(len, HOST_PAGE_SIZE));
	if (file) {
		if (!ret)
			ret = file_mmap(file, addr, len, prot, flags, off, out);
		file_put(file);
	} else if (!ret) {
		*out = mmap(addr, len, prot, flags, fd, (off_t)off);
		if (*out == MAP_FAILED)
			ret = -errno;
	}
	leave_end(machine, &leaving, FRAMES_MMAP, !ret);
	leave();
	return ret;
}

API int uvfio_munmap(struct uvfio_machine *machine, void *addr, size_t len)
{
	struct hostmem_leaving pages;
	struct frames_leaving leaving;
	bool late;
	int ret = 0;

	enter();
	leave_begin(machine, &leaving, addr, len);
	late = is_range(addr, len) &&
	       hostmem_leaving_begin(machine->hm, &pages, (uintptr_t)addr, len);
	if (is_range(addr, len))
		ret = vacate(machine, addr, ALIGN_UP(len, HOST_PAGE_SIZE));
	if (!ret)
		ret = munmap(addr, len) < 0 ? -errno : 0;
	if (late)
		hostmem_leaving_end(machine->hm, &pages);
	leave_end(machine, &leaving, FRAMES_MUNMAP, !ret);
	leave();
	return ret;
}
