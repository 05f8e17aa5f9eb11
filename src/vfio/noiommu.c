/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOMMU driver of containers without an IOMMU (in the kernel a part of
 * drivers/vfio/container.c): it lets the user have the devices and offers nothing, since there is
 * nothing to map.
 *
 * Only containers of no-IOMMU groups use it, and they use no other (container.c).
 */
#include <errno.h>
#include <linux/capability.h>

#include "vfio/vfio_priv.h"

static int noiommu_open(struct vfio_core *core, unsigned long arg, void **data)
{
	if (arg != VFIO_NOIOMMU_IOMMU)
		return -EINVAL;
	if (!core->env.capable(core->env.arg, CAP_SYS_RAWIO))
		return -EPERM;
	*data = NULL;
	return 0;
}

static void noiommu_release(void *data)
{
}

static long noiommu_ioctl(struct vfio_core *core, void *data, unsigned int cmd, unsigned long arg)
{
	if (cmd != VFIO_CHECK_EXTENSION)
		return -ENOTTY;
	return arg == VFIO_NOIOMMU_IOMMU && vfio_noiommu(core);
}

static int noiommu_attach_group(void *data, struct iommu_group *group, enum vfio_group_type type)
{
	return 0;
}

static void noiommu_detach_group(void *data, struct iommu_group *group)
{
}

const struct vfio_iommu_driver_ops vfio_iommu_driver_ops_noiommu = {
	.name = "vfio-noiommu",
	.open = noiommu_open,
	.release = noiommu_release,
	.ioctl = noiommu_ioctl,
	.attach_group = noiommu_attach_group,
	.detach_group = noiommu_detach_group,
};
