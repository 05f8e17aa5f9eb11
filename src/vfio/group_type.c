/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the three types of groups differ in (the kernel asks for the type in drivers/vfio/group.c
 * and container.c; here each type is a row):
 *
 * VFIO_IOMMU: the device has an IOMMU group. SET_CONTAINER claims its DMA for the user, which fails
 * while a host driver uses a device of the group. The group outlives the device.
 *
 * VFIO_EMULATED_IOMMU: the device does no DMA of its own, its parent's driver does. A group is made
 * for it and goes with it; nobody's DMA has to be claimed.
 *
 * VFIO_NO_IOMMU: nothing stands between the device and the memory. A group is made for it, when the
 * host's administrator has allowed that, and goes with it; the user needs CAP_SYS_RAWIO for each
 * step, and is told of.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/sysraw.h"
#include "vfio/vfio_priv.h"

static int claim_dma_owner(struct vfio_core *core, struct vfio_group *group)
{
	return core->env.group_viable(core->env.arg, group->iommu_group) ? 0 : -EPERM;
}

static int need_rawio(struct vfio_core *core)
{
	return core->env.capable(core->env.arg, CAP_SYS_RAWIO) ? 0 : -EPERM;
}

static void tell_opened(struct vfio_device *vdev)
{
	char comm[16] = "";

	prctl(PR_GET_NAME, comm);
	pr_warn("%s %s: vfio-noiommu device opened by user (%s:%d)", vdev->ops->name,
		vdev->dev->name, comm, raw_gettid());
}

static void remove_from_group(struct vfio_device *vdev)
{
	struct vfio_core *core = vdev->group->core;

	core->env.group_free(core->env.arg, vdev->dev);
}

static const struct vfio_group_type_ops types[] = {
	[VFIO_IOMMU] = {
		.name = "VFIO_IOMMU",
		.attach = claim_dma_owner,
	},
	[VFIO_EMULATED_IOMMU] = {
		.name = "VFIO_EMULATED_IOMMU",
		.remove_device = remove_from_group,
	},
	[VFIO_NO_IOMMU] = {
		.name = "VFIO_NO_IOMMU",
		.check_user = need_rawio,
		.opened = tell_opened,
		.remove_device = remove_from_group,
	},
};

const struct vfio_group_type_ops *vfio_group_type(const struct vfio_group *group)
{
	return &types[group->type];
}

int vfio_group_check_user(const struct vfio_group *group)
{
	const struct vfio_group_type_ops *ops = vfio_group_type(group);

	return ops->check_user ? ops->check_user(group->core) : 0;
}
