/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors that a user asks for: `uvfio inject` (the kernel's aer_inject).
 *
 * The error happens where the function's registers live: in the process that has its group open,
 * else here. It lies in the function's slot meanwhile; the session's admin lock is held from then
 * until it is done, so that there is one at a time.
 */
#include <errno.h>
#include <time.h>

#include "machine/inject.h"
#include "machine/keeper_client.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"

#define PATIENCE_MS 5000
#define LOOK_MS	    2
#define RETELL_MS   50 /* the keeper may not know yet who has just opened the group */

static void inject_here(struct uvfio_machine *machine, struct machine_function *fn)
{
	struct shared_device *slot = fn->slot;

	slot->error_result = fn->pdev ? pci_aer_inject(fn->pdev, &slot->error) : -ENODEV;
	if (fn->pdev)
		pci_config_publish(fn->pdev);
	if (fn->port && fn->port->pdev)
		pci_config_publish(fn->port->pdev);
	atomic_store(&slot->error_state, SHARED_ERROR_DONE);
}

void inject_wanted(struct uvfio_machine *machine, const char *device)
{
	struct machine_function *fn;
	uint32_t wanted = SHARED_ERROR_WANTED;

	device_core_lock(machine->core);
	fn = machine_find_function(machine, device);
	if (fn && atomic_load(&fn->slot->error_state) == wanted)
		inject_here(machine, fn);
	device_core_unlock(machine->core);
}

/* Tells the user of the function, until he has it done or is gone. */
static int pass_to_user(struct uvfio_machine *machine, struct machine_function *fn,
			unsigned int group)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };

	for (int ms = 0, ret; ms < PATIENCE_MS; ms += LOOK_MS) {
		if (ms % RETELL_MS == 0) {
			ret = keeper_pass_error(machine, fn->slot->name, group);
			if (ret)
				return ret;
		}
		if (atomic_load(&fn->slot->error_state) == SHARED_ERROR_DONE)
			return 0;
		if (!session_group_claimed(machine->session, group))
			return -EAGAIN;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

int machine_inject_aer(struct uvfio_machine *machine, const char *device,
		       const struct pci_aer_error *error)
{
	struct machine_function *fn;
	unsigned int group;
	int ret, fd;

	admin_sync(machine);
	fd = session_lock(machine->session);
	if (fd < 0)
		return fd;
	fn = machine_find_function(machine, device);
	ret = fn && fn->pdev ? 0 : -ENODEV;
	if (ret)
		goto out;
	group = fn->group;
	fn->slot->error = *error;
	atomic_store(&fn->slot->error_state, SHARED_ERROR_WANTED);
	if (group != NO_GROUP && !group_claimed_here(machine, group) &&
	    session_group_claimed(machine->session, group)) {
		ret = pass_to_user(machine, fn, group);
		if (ret != -EAGAIN)
			goto done;
	}
	inject_wanted(machine, device);
	ret = 0;
done:
	if (!ret)
		ret = fn->slot->error_result;
	atomic_store(&fn->slot->error_state, SHARED_ERROR_NONE);
out:
	session_unlock(fd);
	return ret;
}
