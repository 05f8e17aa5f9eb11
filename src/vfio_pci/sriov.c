/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Physical and virtual functions in users' hands (the kernel's vfio_pci_core.c): enabling VFs, the
 * VFs that follow their PF to this driver, and the token that the user of a PF and the users of its
 * VFs share, since a PF's user can do anything to its VFs.
 *
 * The token and who has a VF open stand in what the session's processes share about the PF. A token
 * that nobody has set equals none: the kernel makes one up that nobody can guess.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pci/sriov.h"
#include "vfio_pci/vfio_pci.h"
#include "vfio_pci/vfio_pci_priv.h"

/* ---- the driver ------------------------------------------------------------------------------ */

/* VFs need their PF awake; without VFs and without a user it sleeps. */
void vfio_pci_vfs_changed(struct pci_dev *pf)
{
	struct vfio_pci_device *vpd = pf->dev.drvdata;

	pthread_mutex_lock(&vpd->vdev.lock);
	if (!vpd->vdev.open_count) {
		if (pci_num_vf(pf))
			vfio_pci_wake(vpd);
		else
			vfio_pci_sleep(vpd);
	}
	pthread_mutex_unlock(&vpd->vdev.lock);
}

int vfio_pci_sriov_configure(struct pci_dev *pf, unsigned int num)
{
	const struct vfio_pci_params *params = pf->dev.driver->priv;
	struct vfio_pci_device *vpd = pf->dev.drvdata;

	if (!*params->enable_sriov)
		return -ENOENT;
	if (!num) {
		pci_disable_sriov(pf);
		return 0;
	}
	pthread_mutex_lock(&vpd->memory_lock);
	if (vpd->config.image)
		vfio_pci_set_power_state(vpd, 0);
	else
		vfio_pci_wake(vpd);
	pthread_mutex_unlock(&vpd->memory_lock);
	return pci_enable_sriov(pf, num);
}

/* A user's VFs are no driver's of the host's. */
void vfio_pci_vf_added(struct pci_dev *pf, struct pci_dev *vf)
{
	pr_info("vfio-pci %s: Captured SR-IOV VF %s driver_override", pf->dev.name, vf->dev.name);
	free(vf->dev.driver_override);
	vf->dev.driver_override = strdup("vfio-pci");
}

void vfio_pci_vf_bound(struct pci_dev *pf, struct pci_dev *vf)
{
	if (vf->dev.driver != pf->dev.driver)
		pr_warn("vfio-pci %s: VF %s bound to driver %s while PF bound to driver %s",
			pf->dev.name, vf->dev.name, vf->dev.driver->name, pf->dev.driver->name);
}

/* ---- the token ------------------------------------------------------------------------------- */

static int refuse(struct vfio_pci_device *vpd, const char *why, int ret)
{
	pr_info("vfio-pci %s: %s", vpd->pdev->dev.name, why);
	return ret;
}

/* @uuid is the token that @pf has. */
static int check_token(struct vfio_pci_device *vpd, const struct pci_dev *pf, const uint8_t *uuid)
{
	uint8_t token[16];

	if (!uuid)
		return refuse(vpd, "VF token required to access device", -EACCES);
	if (!pci_vf_token_get(pf, token) || memcmp(token, uuid, sizeof(token)) != 0)
		return refuse(vpd, "Incorrect VF token provided for device", -EACCES);
	return 0;
}

int vfio_pci_validate_vf_token(struct vfio_pci_device *vpd, const uint8_t *uuid)
{
	struct pci_dev *pdev = vpd->pdev, *pf = pdev->physfn;

	if (pf) {
		if (pf->dev.driver == pdev->dev.driver)
			return check_token(vpd, pf, uuid);
		if (!uuid)
			return 0;
		return refuse(vpd, "VF token incorrectly provided, PF not bound to vfio-pci",
			      -EINVAL);
	}
	if (!pdev->sriov) {
		if (!uuid)
			return 0;
		return refuse(vpd, "VF token incorrectly provided, not a PF or VF", -EINVAL);
	}
	/* While VFs are in use, whoever wants the PF must be trusted by their users. */
	if (pci_vf_users(pdev))
		return check_token(vpd, pdev, uuid);
	if (uuid)
		pci_vf_token_set(pdev, uuid);
	return 0;
}

/* ---- config space ---------------------------------------------------------------------------- */

/* The header's tables have been applied and nobody else has the function. What a VF lacks in
 * hardware and a user expects of a function: ids, and that memory can be enabled. */
void vfio_pci_virtualize_vf(struct vfio_pci_device *vpd)
{
	struct vfio_pci_config *c = &vpd->config;
	const struct pci_dev *pdev = vpd->pdev;

	if (!pdev->physfn)
		return;
	c->vconfig[PCI_VENDOR_ID] = (uint8_t)pdev->vendor;
	c->vconfig[PCI_VENDOR_ID + 1] = (uint8_t)(pdev->vendor >> 8);
	c->vconfig[PCI_DEVICE_ID] = (uint8_t)pdev->device;
	c->vconfig[PCI_DEVICE_ID + 1] = (uint8_t)(pdev->device >> 8);
	c->vconfig[PCI_INTERRUPT_PIN] = 0;
	c->vconfig[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	c->virt[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
}
