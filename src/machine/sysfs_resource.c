/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resourceN of memory BARs: mapping the function's own BAR memory, with the same trap rules as a
 * VFIO user's mapping. An open file keeps the function powered on.
 *
 * The list of a function's open files is guarded by the core's lock. A removed function is revoked:
 * no access reaches it any more.
 */
#include "machine/sysfs_resource.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/depth.h"
#include "base/failpoint.h"
#include "file/file.h"

struct sysfs_resource {
	struct list_head node; /* fn->resources */
	struct uvfio_machine *machine;
	struct file *file;
	struct pci_bar_listener listener;
	_Atomic(struct pci_dev *) pdev; /* NULL: removed */
	atomic_uint accesses;		/* running; whoever clears pdev waits for them */
	unsigned int bar;
	uint64_t len; /* in pages */
};

bool sysfs_resource_mappable(const struct tree_attr *attr)
{
	const struct pci_dev *pdev;

	if (strncmp(attr->attr->name, "resource", 8) || !attr->attr->bin_read)
		return false;
	pdev = to_pci_dev(attr->obj);
	return !(pdev->bar[attr->attr->arg].flags & PCI_BASE_ADDRESS_SPACE_IO);
}

static void set_access(struct sysfs_resource *res, uint64_t off, uint64_t len, int access)
{
	file_set_access(res->file, off, len, (enum page_access)access);
}

static void access_changed(struct pci_bar_listener *listener, unsigned int bar, uint64_t off,
			   uint64_t len, int access)
{
	struct sysfs_resource *res = container_of(listener, struct sysfs_resource, listener);

	if (bar == res->bar)
		set_access(res, off, len, access);
}

/* All pages as the model declared them, equal neighbours at once. */
static void apply_access(struct sysfs_resource *res, const struct pci_dev *pdev)
{
	const uint8_t *pages = pdev->bar[res->bar].page_access;
	uint64_t count = res->len / HOST_PAGE_SIZE, start = 0;

	for (uint64_t i = 1; pages && i <= count; i++) {
		if (i < count && pages[i] == pages[start])
			continue;
		set_access(res, start * HOST_PAGE_SIZE, (i - start) * HOST_PAGE_SIZE, pages[start]);
		start = i;
	}
	if (!pages)
		set_access(res, 0, res->len, PAGE_TRAP_ALL);
}

static void resource_detach(struct sysfs_resource *res)
{
	struct pci_dev *pdev = atomic_exchange(&res->pdev, NULL);

	if (!pdev)
		return;
	/* An access counts itself before it looks at pdev: it saw NULL or is waited for. */
	while (atomic_load(&res->accesses))
		sched_yield();
	pci_dev_lock(pdev);
	list_del(&res->listener.node);
	pci_dev_unlock(pdev);
	list_del(&res->node);
	pci_dev_power_off(pdev);
}

static void resource_release(struct file *file)
{
	struct sysfs_resource *res = file->priv;

	device_core_lock(res->machine->core);
	resource_detach(res);
	device_core_unlock(res->machine->core);
	free(res);
}

static int resource_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags)
{
	const struct sysfs_resource *res = file->priv;

	if (!res->pdev)
		return -ENODEV;
	return off <= res->len && len <= res->len - off ? 0 : -EINVAL;
}

static uint64_t resource_mmio_read(struct file *file, uint64_t off, unsigned int width)
{
	struct sysfs_resource *res = file->priv;
	uint64_t value = UINT64_MAX;
	struct pci_dev *pdev;

	atomic_fetch_add(&res->accesses, 1);
	pdev = res->pdev;
	/* The trap itself has raised the depth once. */
	if (pdev)
		value = lib_depth > 1 ? pci_bar_read_nested(pdev, res->bar, off, width)
				      : pci_bar_read(pdev, res->bar, off, width);
	atomic_fetch_sub(&res->accesses, 1);
	return value;
}

static void resource_mmio_write(struct file *file, uint64_t off, unsigned int width, uint64_t value,
				bool nested)
{
	struct sysfs_resource *res = file->priv;
	struct pci_dev *pdev;

	atomic_fetch_add(&res->accesses, 1);
	pdev = res->pdev;
	if (pdev && nested)
		pci_bar_write_deferred(pdev, res->bar, off, width, value);
	else if (pdev)
		pci_bar_write(pdev, res->bar, off, width, value);
	atomic_fetch_sub(&res->accesses, 1);
}

/* A memory BAR has no read and write of sysfs' binary attributes. */
static ssize_t resource_no_rw(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	return count ? -EIO : 0;
}

static const struct file_operations resource_ops = {
	.name = "sysfs",
	.release = resource_release,
	.read = resource_no_rw,
	.write = resource_no_rw,
	.mmap = resource_mmap,
	.mmio_read = resource_mmio_read,
	.mmio_write = resource_mmio_write,
};

/* Core's lock held. */
static int attach(struct sysfs_resource *res, struct machine_function *fn)
{
	struct pci_dev *pdev = fn->pdev;
	int ret = pci_dev_power_on(pdev);

	if (ret)
		return ret;
	res->pdev = pdev;
	res->file->map_fd = pdev->memfd;
	res->file->map_base = (uint64_t)res->bar << PCI_REGION_SHIFT;
	res->listener.set_access = access_changed;
	list_add_tail(&res->node, &fn->resources);
	pci_dev_lock(pdev);
	apply_access(res, pdev);
	list_add_tail(&res->listener.node, &pdev->bar_listeners);
	pci_dev_unlock(pdev);
	return 0;
}

int sysfs_resource_open(struct uvfio_machine *machine, const char *path, int oflags, mode_t mode,
			struct file **out)
{
	struct sysfs_resource *res = FAIL_POINT() ? NULL : calloc(1, sizeof(*res));
	struct machine_function *fn;
	struct tree_attr attr;
	uint64_t size;
	int ret = -ENODEV;

	if (!res)
		return -ENOMEM;
	res->machine = machine;
	device_core_lock(machine->core);
	fn = tree_find(machine->tree, path, &attr) ? machine_function_of(machine, attr.obj) : NULL;
	if (!fn)
		goto fail;
	res->bar = (unsigned int)attr.attr->arg;
	size = fn->pdev->bar[res->bar].size;
	res->len = ALIGN_UP(size, HOST_PAGE_SIZE);
	ret = file_alloc(&resource_ops, res, oflags, size, &res->file);
	if (ret)
		goto fail;
	res->file->mode = S_IFREG | (mode & 07777);
	ret = attach(res, fn);
	device_core_unlock(machine->core);
	if (ret) {
		file_put(res->file);
		return ret;
	}
	*out = res->file;
	return 0;
fail:
	device_core_unlock(machine->core);
	free(res);
	return ret;
}

void sysfs_resource_revoke(struct machine_function *fn)
{
	struct sysfs_resource *res, *tmp;

	list_for_each_entry_safe(res, tmp, &fn->resources, node) {
		set_access(res, 0, res->len, PAGE_REVOKED);
		resource_detach(res);
	}
}
