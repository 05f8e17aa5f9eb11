/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a function from outside while somebody has it open: errors that a user asks for
 * (`uvfio inject`, the kernel's aer_inject), and resets by the host.
 *
 * Both happen where the function's registers live: in the process that has its group open, else
 * here. The request lies in the function's slot meanwhile, and a claim is held from then until it
 * is done, so that there is one at a time.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "machine/inject.h"
#include "machine/keeper_client.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"

#define PATIENCE_MS 10000
#define LOOK_MS	    2
#define RETELL_MS   50 /* the keeper may not know yet who has just opened the group */

static void do_here(struct uvfio_machine *machine, struct machine_function *fn)
{
	struct shared_device *slot = fn->slot;

	if (!fn->pdev)
		slot->request_result = -ENODEV;
	else if (slot->request)
		slot->request_result =
			pci_host_reset_here(fn->pdev, (enum pci_host_reset)slot->request);
	else
		slot->request_result = pci_aer_inject(fn->pdev, &slot->error);
	if (fn->pdev)
		pci_config_publish(fn->pdev);
	if (fn->port && fn->port->pdev)
		pci_config_publish(fn->port->pdev);
	atomic_store(&slot->request_state, SHARED_REQUEST_DONE);
}

void inject_wanted(struct uvfio_machine *machine, const char *device)
{
	struct machine_function *fn;

	device_core_lock(machine->core);
	fn = machine_find_function(machine, device);
	if (fn && atomic_load(&fn->slot->request_state) == SHARED_REQUEST_WANTED)
		do_here(machine, fn);
	device_core_unlock(machine->core);
}

static bool elsewhere(struct uvfio_machine *machine, unsigned int group)
{
	return group != NO_GROUP && !group_claimed_here(machine, group) &&
	       session_group_claimed(machine->session, group);
}

/* Tells the user of the function, until he has it done: 0, -EAGAIN: he is gone, or -errno. */
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
		if (atomic_load(&fn->slot->request_state) == SHARED_REQUEST_DONE)
			return 0;
		if (!session_group_claimed(machine->session, group))
			return -EAGAIN;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

/* The slot of @fn for one request: an fd to close, or -errno. */
static int request_begin(struct machine_function *fn)
{
	struct shared_device *slot = fn->slot;

	return session_claim_request(
		fn->machine->session,
		(unsigned int)(slot - session_shared(fn->machine->session)->device));
}

static void request_end(struct machine_function *fn, int fd)
{
	atomic_store(&fn->slot->request_state, SHARED_REQUEST_NONE);
	session_unlock(fd);
}

int machine_inject_aer(struct uvfio_machine *machine, const char *device,
		       const struct pci_aer_error *error)
{
	struct machine_function *fn;
	int ret, fd, claim;

	admin_sync(machine);
	fd = session_lock(machine->session);
	if (fd < 0)
		return fd;
	fn = machine_find_function(machine, device);
	claim = fn && fn->pdev ? request_begin(fn) : -ENODEV;
	ret = claim;
	if (claim < 0)
		goto out;
	fn->slot->error = *error;
	fn->slot->request = 0;
	atomic_store(&fn->slot->request_state, SHARED_REQUEST_WANTED);
	ret = elsewhere(machine, fn->group) ? pass_to_user(machine, fn, fn->group) : -EAGAIN;
	if (ret == -EAGAIN) {
		inject_wanted(machine, device);
		ret = 0;
	}
	if (!ret)
		ret = fn->slot->request_result;
	request_end(fn, claim);
out:
	session_unlock(fd);
	return ret;
}

int inject_reset(void *arg, struct pci_dev *dev, enum pci_host_reset how)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn = machine_function_of(machine, &dev->dev);
	int ret, claim;

	if (!fn || !elsewhere(machine, fn->group))
		return 1;
	claim = request_begin(fn);
	if (claim < 0)
		return claim;
	fn->slot->request = how;
	atomic_store(&fn->slot->request_state, SHARED_REQUEST_WANTED);
	ret = pass_to_user(machine, fn, fn->group);
	if (!ret)
		ret = fn->slot->request_result;
	else if (ret != -EAGAIN)
		pr_err("%s: whoever has it open does not reset it: %s", fn->name, strerror(-ret));
	request_end(fn, claim);
	return ret == -EAGAIN ? 1 : ret;
}
