/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Administration: writes to text attributes, and following what other processes wrote (design D2).
 *
 * The truth about bindings, removed functions, dynamic ids and attribute values is on disk and in
 * the session file, changed under the session's admin lock; each change raises a generation. A
 * process whose objects are of an older generation brings them into line before it does anything
 * with them.
 *
 * A release (unbind, remove) may wait for the device's user, here or in another process, and holds
 * no admin lock meanwhile: the slot's `unbinding` keeps everybody else away from the function, and
 * whoever finds that its owner has died goes on with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/following.h"
#include "base/log.h"
#include "machine/keeper_client.h"
#include "machine/mdev_priv.h"
#include "machine/trace.h"
#include "machine/uevent.h"

#define DYNIDS_MAX   4096
#define RETRY_USEC   5000
#define FINISH_TRIES 40

/* ---- the locks ------------------------------------------------------------------------------- */

static void sync_locked(struct uvfio_machine *machine);

int admin_begin(struct uvfio_machine *machine)
{
	int fd;

	pthread_mutex_lock(&machine->admin_lock);
	fd = session_lock(machine->session);
	if (fd < 0) {
		pthread_mutex_unlock(&machine->admin_lock);
		return fd;
	}
	machine->lock_fd = fd;
	device_core_lock(machine->core);
	trace_follow(machine);
	if (machine_torn(machine))
		machine->generation--;
	sync_locked(machine);
	if (machine_torn(machine))
		machine_mend(machine);
	return 0;
}

void admin_end(struct uvfio_machine *machine)
{
	int fd = machine->lock_fd;

	/* Their order is that of the lock. */
	uevents_flush(machine);
	trace_flush(machine);
	machine_whole(machine);
	device_core_unlock(machine->core);
	machine->lock_fd = -1;
	session_unlock(fd);
	pthread_mutex_unlock(&machine->admin_lock);
}

void admin_changed(struct uvfio_machine *machine)
{
	machine->generation =
		atomic_fetch_add(&session_shared(machine->session)->generation, 1) + 1;
}

/* ---- what objects tell ----------------------------------------------------------------------- */

static int binding_of(const struct device *dev)
{
	if (!dev->driver || dev->unbinding)
		return BINDING_NONE;
	if (driver_is_vfio(dev->driver->name))
		return BINDING_VFIO;
	return strcmp(dev->driver->name, "pcieport") && strcmp(dev->driver->name, "pci-stub")
		       ? BINDING_OTHER
		       : BINDING_HARMLESS;
}

void admin_observe(void *arg, struct device *dev, enum device_change what)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn;

	if (what != DEVICE_BOUND && what != DEVICE_UNBOUND)
		return;
	if (dev->bus == mdev_bus_type()) {
		mdevs_observe(machine, dev, what);
		return;
	}
	fn = machine_function_of(machine, dev);
	if (!fn)
		return;
	fn->binding = binding_of(dev);
	if (what != DEVICE_BOUND)
		return;
	names_bound(fn);
	if (fn->physfn && tree_writing(machine->tree))
		vfs_bound(fn);
	/* What the driver's probe registered is there before the device counts as bound. */
	names_update_vfio(machine);
}

void admin_want_remove(void *arg, struct pci_dev *dev)
{
	struct uvfio_machine *machine = arg;

	machine->remove_wanted = machine_function_of(machine, &dev->dev);
}

void admin_want_rescan(void *arg, struct pci_dev *dev)
{
	struct uvfio_machine *machine = arg;

	machine->rescan_wanted = true;
}

/* ---- dynamic ids on disk --------------------------------------------------------------------- */

static void dynids_path(const struct device_driver *drv, char *path, size_t size)
{
	snprintf(path, size, "/state/%s.ids", drv->name);
}

void admin_write_dynids(struct uvfio_machine *machine, struct device_driver *drv)
{
	char path[128], text[DYNIDS_MAX];
	size_t len =
		pci_driver_dynids(container_of(drv, struct pci_driver, drv), text, sizeof(text));

	if (len >= sizeof(text)) {
		pr_warn("%s: too many dynamic ids to pass on to other processes", drv->name);
		return;
	}
	text[len] = '\0';
	dynids_path(drv, path, sizeof(path));
	tree_add_text(machine->tree, path, 0600, "%s", text);
}

static bool has_line(const char *text, const char *line, size_t len)
{
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		if (strcspn(p, "\n") == len && !memcmp(p, line, len))
			return true;
	return false;
}

struct find_attr {
	const char *name;
	const struct attribute *attr;
};

static int find_attr(void *arg, void *obj, const struct attribute *attr)
{
	struct find_attr *find = arg;

	if (strcmp(attr->name, find->name))
		return 0;
	find->attr = attr;
	return 1;
}

/* Each line of @from that is not in @in goes to the driver's attribute @name. */
static void dynids_apply(struct uvfio_machine *machine, struct device_driver *drv, const char *from,
			 const char *in, const char *name)
{
	struct find_attr find = { .name = name };

	if (!driver_for_each_attribute(drv, find_attr, &find))
		return;
	for (const char *p = from; *p; p += strcspn(p, "\n") + 1) {
		size_t len = strcspn(p, "\n");

		if (!has_line(in, p, len))
			attribute_store(machine->core, drv, find.attr, p, len);
		if (!p[len])
			break;
	}
}

static void dynids_sync(struct uvfio_machine *machine, struct device_driver *drv)
{
	char path[128], disk[DYNIDS_MAX], here[DYNIDS_MAX];
	size_t len =
		pci_driver_dynids(container_of(drv, struct pci_driver, drv), here, sizeof(here));

	if (len >= sizeof(here))
		return;
	here[len] = '\0';
	dynids_path(drv, path, sizeof(path));
	tree_read_text(machine->tree, path, disk, sizeof(disk));
	if (!strcmp(here, disk))
		return;
	dynids_apply(machine, drv, here, disk, "remove_id");
	dynids_apply(machine, drv, disk, here, "new_id");
}

/* ---- following others ------------------------------------------------------------------------ */

/* `enable` counts: reach @target step by step. */
static void sync_enable(struct uvfio_machine *machine, const struct tree_attr *attr,
			const char *target)
{
	char text[ATTRIBUTE_PAGE];
	long wanted = strtol(target, NULL, 10), now;

	for (;;) {
		if (attribute_show(machine->core, attr->obj, attr->attr, text) <= 0)
			return;
		now = strtol(text, NULL, 10);
		if (now == wanted || attribute_store(machine->core, attr->obj, attr->attr,
						     now < wanted ? "1" : "0", 1) <= 0)
			return;
	}
}

static bool is_kept(const struct attribute *attr)
{
	return attr->show && attr->store && !attr->volatile_value;
}

static void sync_attr(void *arg, const char *path, const struct tree_attr *attr)
{
	struct uvfio_machine *machine = arg;
	char disk[ATTRIBUTE_PAGE + 1], here[ATTRIBUTE_PAGE + 1];
	ssize_t len;

	if (!is_kept(attr->attr) || !tree_read_text(machine->tree, path, disk, sizeof(disk)))
		return;
	len = attribute_show(machine->core, attr->obj, attr->attr, here);
	if (len < 0)
		return;
	here[len] = '\0';
	if (!len) /* as tree_disk_text() has it */
		strcpy(here, "\n");
	if (!strcmp(here, disk))
		return;
	if (!strcmp(attr->attr->name, "enable"))
		sync_enable(machine, attr, disk);
	else if (!strcmp(disk, "\n") ||
		 (!strcmp(attr->attr->name, "driver_override") && !strcmp(disk, "(null)\n")))
		attribute_store(machine->core, attr->obj, attr->attr, "\n", 1);
	else /* without show's newline: a text of the greatest length fits only so */
		attribute_store(machine->core, attr->obj, attr->attr, disk, strcspn(disk, "\n"));
}

static bool claimed_here(struct uvfio_machine *machine, const struct machine_function *fn)
{
	return fn->group != NO_GROUP && group_claimed_here(machine, fn->group);
}

/* Somebody's release is under way: its owner, or this process' keeper thread, brings it to an
 * end. */
static bool release_pending(struct uvfio_machine *machine, const struct machine_function *fn)
{
	const struct device *dev = &fn->pdev->dev;

	return fn->slot->unbinding || dev->unbinding || (dev->driver && claimed_here(machine, fn));
}

/* Removed functions and those that were found again, last ones first: children before ports. */
static void sync_removed(struct uvfio_machine *machine)
{
	for (struct list_head *node = machine->functions.prev; node != &machine->functions;
	     node = node->prev) {
		struct machine_function *fn = list_entry(node, struct machine_function, node);

		if (!fn->pdev || (fn->slot->present && fn->slot->incarnation == fn->incarnation) ||
		    release_pending(machine, fn))
			continue;
		device_release_driver(&fn->pdev->dev);
		function_destroy(fn);
	}
}

static void sync_found(struct uvfio_machine *machine)
{
	struct machine_function *fn;
	char err[256];

	list_for_each_entry(fn, &machine->functions, node) {
		if (fn->pdev || !fn->slot->present || (fn->port && !fn->port->pdev) ||
		    (fn->physfn && !fn->physfn->pdev))
			continue;
		if (function_create(fn, fn->slot->group, err, sizeof(err)))
			pr_err("pci %s: %s", fn->name, err);
	}
}

/* What the tree says that @fn is bound to; "": nothing. */
static void bound_on_disk(const struct machine_function *fn, char *name, size_t size)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/driver", fn->pdev->dev.sysfs_path);
	tree_read_link_name(fn->machine->tree, path, name, size);
}

/* Of what the tree binds otherwise, or binds to the same driver with another group: the old
 * bindings go. */
static void sync_unbound(struct uvfio_machine *machine, struct machine_function *fn)
{
	struct device *dev = &fn->pdev->dev;
	char name[64];

	bound_on_disk(fn, name, sizeof(name));
	if (dev->driver && (strcmp(name, dev->driver->name) || fn->group != fn->slot->group) &&
	    !release_pending(machine, fn))
		device_release_driver(dev);
}

/* All of them have gone: the new ones come. */
static void sync_bound(struct uvfio_machine *machine, struct machine_function *fn)
{
	struct device *dev = &fn->pdev->dev;
	struct device_driver *drv;
	char name[64];
	int ret;

	bound_on_disk(fn, name, sizeof(name));
	if (!name[0] || dev->driver || release_pending(machine, fn))
		return;
	drv = bus_find_driver(pci_bus_type(machine->pci), name);
	ret = drv ? device_bind_driver(drv, dev) : -ENODEV;
	if (ret)
		pr_err("%s %s: cannot be bound in this process: %s", name, fn->name,
		       strerror(-ret));
}

static void follow(struct uvfio_machine *machine, uint64_t generation)
{
	struct machine_function *fn;
	struct device_driver *drv;

	/* Out of descriptors, say: the next call tries again. */
	if (!modules_sync_loaded(machine))
		return;
	mdevs_sync_removed(machine);
	sync_removed(machine);
	sync_found(machine);
	list_for_each_entry(drv, &pci_bus_type(machine->pci)->drivers, node)
		dynids_sync(machine, drv);
	tree_for_each_attr(machine->tree, sync_attr, machine);
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev)
			sync_unbound(machine, fn);
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev)
			sync_bound(machine, fn);
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev)
			pci_vfs_changed(fn->pdev);
	mdevs_sync_found(machine);
	modules_sync_unloaded(machine);
	machine->generation = generation;
}

/* Locks held; the disk is not written. */
static void sync_locked(struct uvfio_machine *machine)
{
	uint64_t generation = session_shared(machine->session)->generation;

	if (machine->generation == generation)
		return;
	lib_following++;
	follow(machine, generation);
	lib_following--;
}

void admin_sync(struct uvfio_machine *machine)
{
	if (machine->generation == session_shared(machine->session)->generation)
		return;
	if (admin_begin(machine) == 0)
		admin_end(machine);
}

/* ---- release --------------------------------------------------------------------------------- */

int admin_claim(struct machine_function *fn)
{
	struct session *session = fn->machine->session;
	int fd = session_claim_release(session,
				       (unsigned int)(fn->slot - session_shared(session)->device));

	if (fd < 0)
		return fd;
	fn->release_fd = fd;
	return 0;
}

void admin_unclaim(struct machine_function *fn)
{
	fd_close(atomic_exchange(&fn->release_fd, -1));
}

/* Whether whoever marked @fn as being released still lives. */
static bool release_lives(const struct machine_function *fn)
{
	struct session *session = fn->machine->session;

	return session_release_claimed(session,
				       (unsigned int)(fn->slot - session_shared(session)->device));
}

/* Phase 1: the names say unbound. Locks held. 0 or -errno, and then nothing has changed. */
static int release_begin(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	int ret = admin_claim(fn);

	if (ret)
		return ret;
	fn->slot->unbinding = 1;
	machine_write_begin(machine);
	names_unbound(fn);
	names_update_vfio(machine);
	machine_write_end(machine);
	admin_changed(machine);
	return 0;
}

/* As the kernel's messages begin. */
static const char *driver_name(const struct machine_function *fn)
{
	return fn->pdev && fn->pdev->dev.driver ? fn->pdev->dev.driver->name : "pci";
}

/* Phase 2: wait for the users, here and elsewhere. No lock held. */
static void release_wait(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	unsigned int group = fn->slot->group;

	admin_release_here(machine, fn->name);
	keeper_request_release(machine, fn->name, group);
}

/* Phase 3: what goes when nobody has the function any more. Locks held. */
static void release_end(struct machine_function *fn, const char *driver)
{
	struct uvfio_machine *machine = fn->machine;

	fn->slot->unbinding = 0;
	machine_write_begin(machine);
	noiommu_released(fn, driver);
	names_update_vfio(machine);
	if (fn->pdev) {
		names_drop_mdev_parent(machine, fn->path, fn->name);
		pci_vf_token_clear(fn->pdev);
		device_uevent(&fn->pdev->dev, UEVENT_UNBIND);
	}
	machine_write_end(machine);
	admin_changed(machine);
	admin_unclaim(fn);
}

/* Phases 2 and 3. Locks held, dropped in between; on failure, when there is no fd or no lock to be
 * had for a while, they stay dropped, and the next one who wants the function goes on. */
static int release_finish(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	const char *driver = driver_name(fn);
	int ret = mdevs_remove_children(machine, fn->path);

	if (!ret)
		ret = vfs_remove_claimed(fn);
	if (ret) {
		admin_unclaim(fn);
		return ret;
	}
	ret = -EAGAIN;
	admin_end(machine);
	release_wait(fn);
	for (int i = 0; i < FINISH_TRIES && ret; i++) {
		if (i)
			usleep(RETRY_USEC);
		ret = admin_begin(machine);
	}
	if (ret) {
		admin_unclaim(fn);
		return ret;
	}
	release_end(fn, driver);
	return 0;
}

int admin_release(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	int ret = release_begin(fn);

	if (ret) {
		admin_end(machine);
		return ret;
	}
	return release_finish(fn);
}

void admin_end_dead(struct uvfio_machine *machine)
{
	struct machine_function *fn;

	if (admin_begin(machine))
		return;
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->slot->unbinding && !release_lives(fn) &&
		    (!fn->pdev || !pci_num_vf(fn->pdev)) &&
		    (fn->slot->group == NO_GROUP ||
		     !session_group_claimed(machine->session, fn->slot->group)) &&
		    !admin_claim(fn))
			release_end(fn, driver_name(fn));
	mdevs_end_dead(machine);
	admin_end(machine);
}

void admin_release_here(struct uvfio_machine *machine, const char *device)
{
	struct mdev_device *mdev;
	struct machine_function *fn;

	device_core_lock(machine->core);
	fn = machine_find_function(machine, device);
	mdev = mdev_find_device(device);
	if (fn && fn->pdev)
		device_release_driver(&fn->pdev->dev);
	else if (mdev)
		device_release_driver(&mdev->dev);
	device_core_unlock(machine->core);
}

/* ---- stores ---------------------------------------------------------------------------------- */

static bool is_pci_driver(const struct uvfio_machine *machine, const struct device_driver *drv)
{
	return drv->bus == pci_bus_type(machine->pci);
}

/* The function that a write binds or takes away; NULL: none, or another write. */
static struct machine_function *named_function(struct uvfio_machine *machine,
					       const struct tree_attr *attr, const char *text)
{
	const char *name = attr->attr->name;

	if (attr->kind == TREE_DEVICE && (!strcmp(name, "remove") || !strcmp(name, "sriov_numvfs")))
		return machine_function_of(machine, attr->obj);
	if ((attr->kind == TREE_DRIVER && (!strcmp(name, "bind") || !strcmp(name, "unbind")) &&
	     is_pci_driver(machine, attr->obj)) ||
	    (attr->kind == TREE_BUS && !strcmp(name, "drivers_probe")))
		return machine_find_function(machine, text);
	return NULL;
}

int admin_wait_released(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	int ret;

	if (!fn->slot->unbinding && !fn->slot->vfs_going)
		return 0;
	ret = admin_claim(fn);
	if (ret) {
		admin_end(machine);
		usleep(RETRY_USEC);
		return ret == -EBUSY ? 1 : ret;
	}
	if (fn->slot->unbinding) {
		ret = release_finish(fn);
	} else {
		ret = vfs_remove_claimed(fn);
		admin_unclaim(fn);
	}
	if (ret)
		return ret;
	/* Here the driver may be bound yet: the next look follows what the dead one changed. */
	machine->generation--;
	admin_end(machine);
	return 1;
}

static ssize_t store_locked(struct uvfio_machine *machine, struct tree_attr *attr, const char *text,
			    size_t len)
{
	ssize_t ret;

	machine_write_begin(machine);
	machine->remove_wanted = NULL;
	machine->vfs_off_wanted = NULL;
	machine->mdev_remove_wanted = NULL;
	machine->rescan_wanted = false;
	ret = attribute_store(machine->core, attr->obj, attr->attr, text, len);
	if (ret < 0)
		goto out;
	if (is_kept(attr->attr))
		tree_store_text(machine->tree, attr);
	if (attr->kind == TREE_DRIVER && is_pci_driver(machine, attr->obj))
		admin_write_dynids(machine, attr->obj);
	if (machine->rescan_wanted)
		functions_rescan(machine);
	names_update_vfio(machine);
	if (strcmp(attr->attr->name, "uevent") && strcmp(attr->attr->name, "reset"))
		admin_changed(machine);
out:
	machine_write_end(machine);
	return ret;
}

/* Releases @fn from @drv: @len or -errno. Locks held, and dropped when it returns. */
static ssize_t store_unbind(struct uvfio_machine *machine, struct machine_function *fn,
			    const struct device_driver *drv, size_t len)
{
	int ret;

	if (!fn->pdev || fn->pdev->dev.driver != drv) {
		admin_end(machine);
		return -ENODEV;
	}
	ret = admin_release(fn);
	/* What has begun is done for its caller: the names say so. */
	if (ret)
		return fn->slot->unbinding ? (ssize_t)len : ret;
	admin_end(machine);
	return (ssize_t)len;
}

/* Every other write. Locks held, and dropped when it returns. */
static ssize_t store_other(struct uvfio_machine *machine, struct tree_attr *attr, const char *text,
			   size_t len)
{
	ssize_t ret = store_locked(machine, attr, text, len);
	struct machine_function *fn = machine->remove_wanted, *pf = machine->vfs_off_wanted;
	struct mdev_slot *mdev = machine->mdev_remove_wanted;
	int failed = 0;

	machine->remove_wanted = machine->vfs_off_wanted = NULL;
	machine->mdev_remove_wanted = NULL;
	if (ret > 0 && fn)
		failed = admin_remove(fn);
	else if (ret > 0 && pf)
		failed = admin_remove_vfs(pf);
	else if (ret > 0 && mdev)
		failed = mdevs_remove(machine, mdev);
	if (failed)
		return failed;
	admin_end(machine);
	return ret;
}

ssize_t admin_store(struct uvfio_machine *machine, const char *path, const char *data, size_t len)
{
	char text[ATTRIBUTE_PAGE + 1];
	struct machine_function *fn;
	struct mdev_slot *mdev;
	struct tree_attr attr;
	int ret;

	if (!len)
		return 0;
	len = MIN(len, ATTRIBUTE_PAGE);
	memcpy(text, data, len);
	text[len] = '\0';
	for (;;) {
		ret = admin_begin(machine);
		if (ret)
			return ret;
		mdevs_end_dead(machine);
		if (!tree_find(machine->tree, path, &attr)) {
			admin_end(machine);
			return -ENODEV;
		}
		fn = named_function(machine, &attr, text);
		ret = fn ? admin_wait_released(fn) : 0;
		if (ret < 0)
			return ret;
		if (!ret)
			break;
	}
	if (fn && !strcmp(attr.attr->name, "unbind"))
		return store_unbind(machine, fn, attr.obj, len);
	mdev = mdevs_unbound(machine, &attr, text);
	if (mdev) {
		ret = mdevs_unbind(machine, mdev);
		if (!ret)
			admin_end(machine);
		return ret ? ret : (ssize_t)len;
	}
	return store_other(machine, &attr, text, len);
}
