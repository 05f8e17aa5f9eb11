/* SPDX-License-Identifier: BSD-3-Clause */
/* See life.h: the order of the steps and what a failed one may say. */
#include "life.h"

#include <stdlib.h>

#include "life_priv.h"

struct life life = { .container = -1, .group = { -1, -1 }, .device = { -1, -1 } };

/* What Linux says when it is short of memory or of fds. */
static const int anywhere[] = { ENOMEM, EMFILE, ENFILE, 0 };

/* What a failed step must leave as it was. */
struct state {
	uint32_t group_flags;
	bool bound[2];
};

static void look(struct state *state)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	memset(state, 0, sizeof(*state));
	if (life.group[0] >= 0 && !door_ioctl(life.group[0], VFIO_GROUP_GET_STATUS, &status))
		state->group_flags = status.flags;
	state->bound[0] = life_exists(DEVICES LIFE_FIRST "/driver");
	state->bound[1] = life_exists(DEVICES LIFE_SECOND "/driver");
}

static bool listed(const int *errnos, int err)
{
	for (; errnos && *errnos; errnos++)
		if (err == *errnos)
			return true;
	return false;
}

static bool run_steps(const struct life_step *step)
{
	struct state before, after;
	bool good = true;
	int ret;

	for (; step->name; step++) {
		look(&before);
		ret = step->fn();
		if (!ret)
			continue;
		printf("%s: %s\n", step->name, strerror(-ret));
		if (!listed(anywhere, -ret) && !listed(step->errnos, -ret)) {
			printf("wrong errno %s %d\n", step->name, -ret);
			good = false;
		}
		look(&after);
		if (memcmp(&before, &after, sizeof(before))) {
			printf("wrong state after %s: group %#x %#x, bound %d%d %d%d\n", step->name,
			       before.group_flags, after.group_flags, before.bound[0],
			       before.bound[1], after.bound[0], after.bound[1]);
			good = false;
		}
		ret = step->fn();
		if (!ret)
			continue;
		printf("wrong again %s: %s\n", step->name, strerror(-ret));
		return false;
	}
	return good;
}

bool life_run(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run_steps(life_open_steps) && run_steps(life_device_steps) &&
	       run_steps(life_dma_steps) && run_steps(life_close_steps);
}
