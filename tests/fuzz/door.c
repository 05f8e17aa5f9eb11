/* SPDX-License-Identifier: BSD-3-Clause */
#include "door.h"
#include "input.h"

struct uvfio_machine *fuzz_machine;
const char *const fuzz_bdf[FUZZ_DEVICES] = { "0000:01:00.0", "0000:02:00.0" };
const char *const fuzz_group[FUZZ_DEVICES] = { "/dev/vfio/3", "/dev/vfio/4" };

static void destroy(void)
{
	int ret = uvfio_machine_destroy(fuzz_machine);

	/* Not must(): abort() in an exit handler says less. */
	if (ret)
		fprintf(stderr, "the machine is still in use: %d\n", ret), _Exit(1);
}

void fuzz_machine_create(void)
{
	static const char *const devices[] = { "nvme,at=0000:01:00.0,size=8M",
					       "ioat,at=0000:02:00.0", NULL };
	struct uvfio_machine_config config = { .devices = devices };
	char err[256] = "";

	must(!uvfio_machine_create(&config, &fuzz_machine, err, sizeof(err)), "%s", err);
	atexit(destroy);
}

bool fuzz_result_ok(long ret)
{
	return ret >= -133;
}
