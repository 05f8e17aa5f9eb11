/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Removing a function with what is behind it (the kernel's drivers/pci/remove.c): first all of them
 * are unbound, then they go.
 */
#include "machine/machine_priv.h"

/* Releases @fn and what is behind it, which comes first. Locks held, dropped in between; on failure
 * they stay dropped. */
static int stop_function(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	struct machine_function *child;
	int ret = 0;

	list_for_each_entry(child, &machine->functions, node)
		if (child->port == fn && child->pdev && !ret)
			ret = stop_function(child);
	if (!ret && fn->pdev && fn->pdev->dev.driver)
		ret = admin_release(fn);
	return ret;
}

/* Somebody has bound @fn, or what is behind it, since it was stopped. */
static bool started_again(const struct machine_function *fn)
{
	const struct machine_function *child;

	list_for_each_entry(child, &fn->machine->functions, node)
		if (child->port == fn && started_again(child))
			return true;
	return fn->pdev && fn->pdev->dev.driver;
}

static void destroy_function(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	struct machine_function *child;

	list_for_each_entry(child, &machine->functions, node)
		if (child->port == fn)
			destroy_function(child);
	if (!fn->pdev)
		return;
	fn->slot->present = 0;
	function_destroy(fn);
}

int admin_remove(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	int ret;

	do {
		ret = stop_function(fn);
		if (ret)
			return ret;
	} while (started_again(fn));
	machine_write_begin(machine);
	destroy_function(fn);
	machine_write_end(machine);
	admin_changed(machine);
	return 0;
}
