/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine without an IOMMU: its functions have no group until vfio makes one for a function
 * that is bound to it (the kernel's vfio_noiommu_group_alloc()). The number stands in the
 * function's slot as long as the group is on disk: from the bind until the last user has let go
 * after the unbind.
 *
 * The process that binds chooses the number; others follow the slot. Locks as each function says.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/following.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "machine/mdev_priv.h"

#define TAINT_FLAGS 20

bool env_noiommu(void *arg)
{
	const struct uvfio_machine *machine = arg;

	/* What was allowed to be bound stays so. */
	return lib_following || machine->params.enable_unsafe_noiommu_mode;
}

/* Core's lock held. */
int env_group_alloc(void *arg, struct device *dev, struct iommu_group **out)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn = machine_function_of(machine, dev);
	unsigned int id;
	int ret;

	if (dev->bus && dev->bus == mdev_bus_type())
		return mdevs_group_alloc(machine, dev, out);
	if (!fn || !fn->pdev->iommu)
		return -ENODEV;
	id = lib_following ? fn->slot->group : machine_free_group(machine);
	if (id >= MACHINE_GROUPS)
		return -ENOSPC;
	ret = group_add(machine, id, fn->pdev->iommu);
	if (ret)
		return ret;
	fn->group = id;
	ret = names_add_membership(fn);
	if (ret) {
		fn->group = NO_GROUP;
		group_remove(machine, id, fn->pdev->iommu);
		return ret;
	}
	if (!lib_following) {
		fn->slot->group = id;
		pr_info("%s %s: Adding to iommu group %u", dev->driver->name, dev->name, id);
	}
	*out = machine->groups[id].group;
	return 0;
}

void env_group_free(void *arg, struct device *dev)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn;

	if (dev->bus && dev->bus == mdev_bus_type()) {
		mdevs_group_free(machine, dev);
		return;
	}
	device_core_lock(machine->core);
	fn = machine_function_of(machine, dev);
	if (fn && fn->group != NO_GROUP) {
		group_remove(machine, fn->group, fn->pdev->iommu);
		fn->group = NO_GROUP;
		/* Of a bind that has failed. */
		if (tree_writing(machine->tree))
			noiommu_drop_group(fn);
	}
	device_core_unlock(machine->core);
}

void noiommu_drop_group(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;

	if (machine->iommu || fn->slot->group == NO_GROUP)
		return;
	names_remove_membership(fn, fn->slot->group);
	names_remove_group(machine, fn->slot->group);
	fn->slot->group = NO_GROUP;
}

void noiommu_released(struct machine_function *fn, const char *driver)
{
	if (fn->machine->iommu || fn->slot->group == NO_GROUP)
		return;
	pr_info("%s %s: Removing from iommu group %u", driver, fn->name, fn->slot->group);
	noiommu_drop_group(fn);
}

/* ---- the user -------------------------------------------------------------------------------- */

uint64_t process_effective_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (sysraw3(SYS_capget, (long)&header, (long)data, 0))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

/*
 * The session's user has @cap, and this process has not given up what the session began with: the
 * host says so of a capability that the session's creator had, and of all of them when the process
 * has none left.
 */
bool env_capable(void *arg, int cap)
{
	const struct uvfio_machine *machine = arg;
	const struct shared_header *shared = session_shared(machine->session);
	uint64_t own;

	if (!(shared->caps >> cap & 1))
		return false;
	if (!shared->host_caps)
		return true;
	own = process_effective_caps();
	return shared->host_caps >> cap & 1 ? own >> cap & 1 : own != 0;
}

/* ---- the taint ------------------------------------------------------------------------------- */

void env_add_taint(void *arg, unsigned int flag)
{
	const struct uvfio_machine *machine = arg;

	atomic_fetch_or(&session_shared(machine->session)->taint, 1ULL << flag);
}

static ssize_t tainted_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct uvfio_machine *machine = obj;

	return snprintf(buf, size, "%llu\n",
			(unsigned long long)session_shared(machine->session)->taint);
}

/* Flags can be set, never taken away. */
static ssize_t tainted_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct uvfio_machine *machine = obj;
	unsigned long long value;
	char *end;

	if (!env_capable(machine, CAP_SYS_ADMIN))
		return -EPERM;
	value = strtoull(buf, &end, 0);
	if (end == buf || !strchr(" \t\n", *end))
		return -EINVAL;
	atomic_fetch_or(&session_shared(machine->session)->taint,
			value & ((1ULL << TAINT_FLAGS) - 1));
	return (ssize_t)len;
}

const struct attribute kernel_sysctls[] = {
	{ .name = "tainted",
	  .mode = 0644,
	  .show = tainted_show,
	  .store = tainted_store,
	  .volatile_value = true },
	{ .name = NULL },
};
