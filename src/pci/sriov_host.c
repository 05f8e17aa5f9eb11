/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SR-IOV as the host sees it (the kernel's drivers/pci/iov.c): enabling and disabling VFs, the
 * attributes of PFs and VFs, what a PF's driver keeps about its VFs. core->lock is held but for the
 * tokens and users, which are atomics in the state that the session's processes share.
 *
 * The bus' surroundings make and remove the VFs themselves (struct pci_bus_env), since their users
 * are waited for without locks.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "device/uevent.h"
#include "pci/bus_priv.h"
#include "pci/pci_priv.h"

static struct pci_bus *bus_of(struct pci_dev *dev)
{
	return container_of(dev->dev.bus, struct pci_bus, type);
}

static const char *driver_name(const struct pci_dev *dev)
{
	return dev->dev.driver ? dev->dev.driver->name : "pci";
}

/* ---- what the bus scan does ------------------------------------------------------------------ */

void pci_sriov_init(struct pci_dev *dev, struct pci_dev *port)
{
	/* The first function of a device says whether its port shall forward to more than eight. */
	if (port && dev->internal->ari_cap && !(dev->rid & 0xff))
		pci_config_write_masked(port, port->pcie_cap + PCI_EXP_DEVCTL2, 2,
					PCI_EXP_DEVCTL2_ARI, PCI_EXP_DEVCTL2_ARI);
	if (!dev->sriov || !port || !dev->internal->ari_cap)
		return;
	if (!(pci_get_word(port, port->pcie_cap + PCI_EXP_DEVCTL2) & PCI_EXP_DEVCTL2_ARI))
		return;
	dev->internal->sriov_ari = PCI_SRIOV_CTRL_ARI;
	pci_config_write_masked(dev, dev->sriov_cap + PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_ARI,
				PCI_SRIOV_CTRL_ARI);
}

/* ---- enabling and disabling ------------------------------------------------------------------ */

static void set_vfs(struct pci_dev *pf, unsigned int num)
{
	unsigned int off = pf->sriov_cap;

	/* NumVFs is fixed while VF Enable is set. */
	if (!num)
		pci_config_write_masked(pf, off + PCI_SRIOV_CTRL, 2, 0, PCI_SRIOV_CTRL_ON);
	pci_config_write(pf, off + PCI_SRIOV_NUM_VF, 2, num);
	if (num)
		pci_config_write_masked(pf, off + PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_ON,
					PCI_SRIOV_CTRL_ON);
}

static void follow(struct pci_dev *pf)
{
	pci_dev_lock(pf);
	pci_sriov_follow(pf);
	pci_dev_unlock(pf);
}

void pci_vfs_changed(struct pci_dev *pf)
{
	struct pci_driver *drv;

	if (!pf->sriov || !pf->dev.driver || pf->dev.unbinding)
		return;
	drv = container_of(pf->dev.driver, struct pci_driver, drv);
	if (drv->vfs_changed)
		drv->vfs_changed(pf);
}

int pci_sriov_set_totalvfs(struct pci_dev *pf, unsigned int num)
{
	if (!pf->sriov)
		return -ENOSYS;
	if (num > pf->sriov->total_vfs)
		return -EINVAL;
	pf->internal->driver_max_vfs = num ? num : pf->sriov->total_vfs;
	return 0;
}

int pci_enable_sriov(struct pci_dev *pf, unsigned int num)
{
	struct pci_bus *bus = bus_of(pf);
	int ret;

	if (!pf->sriov)
		return -ENOSYS;
	if (!num)
		return 0;
	if (pci_num_vf(pf) || num > pf->sriov->total_vfs)
		return -EINVAL;
	if (!bus->env.add_vfs)
		return -ENOSYS;
	follow(pf);
	set_vfs(pf, num);
	ret = bus->env.add_vfs(bus->env.arg, pf, num);
	if (ret) {
		set_vfs(pf, 0);
		return ret;
	}
	device_uevent(&pf->dev, UEVENT_CHANGE);
	atomic_store(&pf->internal->vfs->num_vfs, num);
	pci_vfs_changed(pf);
	return (int)num;
}

void pci_disable_sriov(struct pci_dev *pf)
{
	struct pci_bus *bus = bus_of(pf);

	if (pci_num_vf(pf) && bus->env.remove_vfs)
		bus->env.remove_vfs(bus->env.arg, pf);
}

void pci_sriov_disabled(struct pci_dev *pf)
{
	follow(pf);
	atomic_store(&pf->internal->vfs->num_vfs, 0);
	set_vfs(pf, 0);
	pci_vfs_changed(pf);
}

void pci_sriov_mend(struct pci_dev *pf, unsigned int num)
{
	follow(pf);
	set_vfs(pf, 0);
	if (num)
		set_vfs(pf, num);
	atomic_store(&pf->internal->vfs->num_vfs, num);
}

/* ---- attributes ------------------------------------------------------------------------------ */

bool pci_is_pf(void *obj, const struct attribute *attr)
{
	return to_pci_dev(obj)->sriov;
}

bool pci_is_vf(void *obj, const struct attribute *attr)
{
	return to_pci_dev(obj)->physfn;
}

ssize_t pci_sriov_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *pf = to_pci_dev(obj);
	const struct pci_sriov *s = pf->sriov;

	switch (attr->arg) {
	case SRIOV_TOTALVFS:
		return snprintf(buf, size, "%u\n", pf->internal->driver_max_vfs);
	case SRIOV_OFFSET:
		return snprintf(buf, size, "%u\n", s->offset);
	case SRIOV_STRIDE:
		return snprintf(buf, size, "%u\n", s->stride);
	case SRIOV_VF_DEVICE:
		return snprintf(buf, size, "%x\n", s->vf_device);
	default: /* no driver here shares vectors out */
		return snprintf(buf, size, "0\n");
	}
}

ssize_t pci_numvfs_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%u\n", pci_num_vf(to_pci_dev(obj)));
}

static int configure(struct pci_dev *pf, unsigned int num)
{
	struct pci_driver *drv;
	int ret;

	if (num == pci_num_vf(pf))
		return 0;
	if (!pf->dev.driver || pf->dev.unbinding) {
		pr_info("pci %s: no driver bound to device; cannot configure SR-IOV", pf->dev.name);
		return -ENOENT;
	}
	drv = container_of(pf->dev.driver, struct pci_driver, drv);
	if (!drv->sriov_configure) {
		pr_info("%s %s: driver does not support SR-IOV configuration via sysfs",
			driver_name(pf), pf->dev.name);
		return -ENOENT;
	}
	if (num && pci_num_vf(pf)) {
		pr_warn("%s %s: %u VFs already enabled. Disable before enabling %u VFs",
			driver_name(pf), pf->dev.name, pci_num_vf(pf), num);
		return -EBUSY;
	}
	ret = drv->sriov_configure(pf, num);
	if (ret >= 0 && num && (unsigned int)ret != num)
		pr_warn("%s %s: %u VFs requested; only %d enabled", driver_name(pf), pf->dev.name,
			num, ret);
	return MIN(ret, 0);
}

ssize_t pci_numvfs_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct pci_dev *pf = to_pci_dev(obj);
	unsigned long num;
	int ret;

	if (sysfs_parse_ulong(buf, 0, &num) || num > UINT16_MAX)
		return -EINVAL;
	if (num > pf->internal->driver_max_vfs)
		return -ERANGE;
	ret = configure(pf, (unsigned int)num);
	return ret ? ret : (ssize_t)len;
}

ssize_t pci_vf_autoprobe_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%d\n", !to_pci_dev(obj)->sysfs.no_vf_autoprobe);
}

ssize_t pci_vf_autoprobe_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	bool on;

	if (sysfs_parse_bool(buf, &on))
		return -EINVAL;
	to_pci_dev(obj)->sysfs.no_vf_autoprobe = !on;
	return (ssize_t)len;
}

/* The PF's driver would give the VF so many vectors: none here knows how. */
ssize_t pci_vf_msix_count_store(void *obj, const struct attribute *attr, const char *buf,
				size_t len)
{
	long count;

	if (sysfs_parse_long(buf, 0, &count) || count < 0 || count > INT32_MAX)
		return -EINVAL;
	return -EOPNOTSUPP;
}

/* ---- a driver's token and the VFs' users ----------------------------------------------------- */

/* A writer that died left the number odd: after this many looks it is overruled. */
#define TOKEN_PATIENCE 100000

static void token_write(struct pci_dev *pf, const uint64_t token[2], bool set)
{
	struct pci_vf_state *s = pf->internal->vfs;
	uint32_t seq = atomic_load(&s->token_seq);

	for (unsigned int i = 0; i < TOKEN_PATIENCE; i++) {
		if (!(seq & 1) && atomic_compare_exchange_weak(&s->token_seq, &seq, seq + 1))
			break;
		seq = atomic_load(&s->token_seq);
	}
	seq |= 1;
	atomic_store(&s->token[0], token[0]);
	atomic_store(&s->token[1], token[1]);
	atomic_store(&s->token_set, set);
	atomic_store(&s->token_seq, seq + 1);
}

void pci_vf_token_set(struct pci_dev *pf, const uint8_t token[16])
{
	uint64_t words[2];

	memcpy(words, token, sizeof(words));
	token_write(pf, words, true);
}

void pci_vf_token_clear(struct pci_dev *pf)
{
	if (pf->sriov)
		token_write(pf, (const uint64_t[2]){ 0, 0 }, false);
}

bool pci_vf_token_get(const struct pci_dev *pf, uint8_t token[16])
{
	struct pci_vf_state *s = pf->internal->vfs;
	uint64_t words[2];
	uint32_t seq;
	bool set;

	for (unsigned int i = 0; i < TOKEN_PATIENCE; i++) {
		seq = atomic_load(&s->token_seq);
		words[0] = atomic_load(&s->token[0]);
		words[1] = atomic_load(&s->token[1]);
		set = atomic_load(&s->token_set);
		if (!(seq & 1) && atomic_load(&s->token_seq) == seq) {
			memcpy(token, words, sizeof(words));
			return set;
		}
	}
	return false;
}

void pci_vf_set_user(struct pci_dev *vf, bool used)
{
	atomic_store(&vf->physfn->internal->vfs->vf_user[vf->vf_index], used ? getpid() : 0);
}

unsigned int pci_vf_users(const struct pci_dev *pf)
{
	unsigned int users = 0;

	for (unsigned int i = 0; pf->sriov && i < pf->sriov->total_vfs; i++) {
		int32_t pid = atomic_load(&pf->internal->vfs->vf_user[i]);

		users += pid && (kill(pid, 0) == 0 || errno == EPERM);
	}
	return users;
}
