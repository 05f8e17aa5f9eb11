/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's igb driver: between the bus, the model's registers and the driver proper (pf.c). */
#include "drivers/igb/igb.h"

#include <errno.h>

#include "base/log.h"
#include "drivers/igb/pf.h"
#include "models/igb/igb.h"
#include "pci/model.h"
#include "pci/sriov.h"

_Static_assert(sizeof(struct igb_pf_state) <= IGB_PF_DRIVER_STATE, "the model has room for it");

static uint32_t pf_read(void *priv, uint32_t reg)
{
	return igb_pf_read(priv, reg);
}

static void pf_write(void *priv, uint32_t reg, uint32_t value)
{
	igb_pf_write(priv, reg, value);
}

static struct igb_pf pf_of(struct pci_dev *dev)
{
	return (struct igb_pf){
		.read = pf_read, .write = pf_write, .priv = dev, .state = igb_pf_driver_state(dev)
	};
}

static bool is_ours(const struct pci_dev *dev)
{
	return dev->model == &igb_model && dev->shared;
}

/* In whichever process and thread a VF made it; its dev->lock is held. */
static void events(struct pci_dev *dev)
{
	const struct igb_pf pf = pf_of(dev);

	if (igb_pf_bound(&pf))
		igb_pf_events(&pf);
}

int igb_driver_probe(struct pci_dev *dev, bool first)
{
	struct igb_pf pf;
	int ret = 0;

	if (!is_ours(dev))
		return 0;
	igb_pf_set_driver(events);
	pf = pf_of(dev);
	/* The eighth pool is the PF's own. */
	pci_sriov_set_totalvfs(dev, IGB_PF_VFS);
	if (!first)
		return 0;
	if (!pf.state->ready)
		ret = igb_pf_init(pf.state);
	if (ret) {
		pci_sriov_set_totalvfs(dev, 0);
		return ret;
	}
	igb_pf_bind(&pf);
	return 0;
}

void igb_driver_remove(struct pci_dev *dev, bool first)
{
	struct igb_pf pf;

	if (!is_ours(dev))
		return;
	pci_sriov_set_totalvfs(dev, 0);
	if (!first)
		return;
	pf = pf_of(dev);
	igb_pf_unbind(&pf);
}

int igb_driver_sriov_configure(struct pci_dev *dev, unsigned int num)
{
	struct igb_pf pf;
	int ret;

	if (!is_ours(dev))
		return -ENOSYS;
	pf = pf_of(dev);
	if (!num) {
		pci_disable_sriov(dev);
		return 0;
	}
	ret = igb_pf_set_vfs(&pf, num);
	if (!ret)
		ret = pci_enable_sriov(dev, num);
	if (ret < 0) {
		igb_pf_set_vfs(&pf, 0);
		return ret;
	}
	pr_info("igb %s: %u VFs allocated", dev->dev.name, num);
	return ret;
}
