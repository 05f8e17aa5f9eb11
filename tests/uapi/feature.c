/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_FEATURE: which numbers a vfio-pci device knows, and the rules of its flags. */
#include "probe.h"

#define GET   VFIO_DEVICE_FEATURE_GET
#define SET   VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

static int feature(int device, uint32_t argsz, uint32_t flags, const char *what)
{
	uint32_t buf[64] = { argsz, flags };

	return (int)result(what, ioctl(device, VFIO_DEVICE_FEATURE, buf));
}

static void feature_number(long number)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t n = (uint32_t)number;

	feature(ctx.device, 8, PROBE | n, "probe");
	feature(ctx.device, 8, PROBE | GET | n, "probe get");
	feature(ctx.device, 8, PROBE | SET | n, "probe set");
	feature(ctx.device, 8, PROBE | GET | SET | n, "probe both");
	feature(ctx.device, 8, GET | n, "get 0");
	feature(ctx.device, 8, SET | n, "set 0");
	feature(ctx.device, 8, GET | SET | n, "both 0");
	feature(ctx.device, 8, n, "nothing");
}

static void feature_form(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	feature(ctx.device, 0, PROBE, "argsz 0");
	feature(ctx.device, 7, PROBE, "argsz 7");
	feature(ctx.device, 200, PROBE | 1, "argsz 200");
	feature(ctx.device, 8, PROBE | 1 | 1u << 19, "unknown flag");
	feature(ctx.device, 8, PROBE | 1 | 1u << 31, "high flag");
	feature(ctx.device, 8, PROBE | 0xffff, "number 65535");
	feature(ctx.device, 8, GET | 0xffff, "get 65535");
	result("bad pointer", ioctl(ctx.device, VFIO_DEVICE_FEATURE, BAD_PTR));
}

/* Low-power entry and exit take no data. */
static void feature_low_power(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	feature(ctx.device, 8, SET | 5, "exit first");
	feature(ctx.device, 8, SET | 3, "enter");
	feature(ctx.device, 8, SET | 3, "enter again");
	feature(ctx.device, 8, SET | 5, "exit");
	feature(ctx.device, 8, SET | 5, "exit again");
	feature(ctx.device, 12, SET | 4, "enter with wakeup, small");
}

static void feature_token(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	feature(ctx.device, 24, SET | 0, "set");
	feature(ctx.device, 24, GET | 0, "get");
}

static const struct probe table[] = {
	{ "feature", feature_number, 0, 14 },
	{ "feature-form", feature_form, 0, 0 },
	{ "feature-low-power", feature_low_power, 0, 0 },
	{ "feature-token", feature_token, 0, 0 },
};

PROBE_SET(feature_probes, table);
