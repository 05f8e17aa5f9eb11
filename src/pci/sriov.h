/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single Root I/O Virtualization (PCI Express Base 6.0, chapter 9): the contract between a model
 * with virtual functions and this folder.
 *
 * A model says in its `sriov` operation how many VFs it has and what they look like, and in
 * create() adds the capability with pci_add_sriov_cap(). What a VF does is a model of its own,
 * sriov->vf_model, whose create() finds identity (the PF's, with the VF device id), COMMAND and
 * BARs made, and adds capabilities and private state. A VF is a struct pci_dev like any other, with
 * dev->physfn and dev->vf_index set; it has config space, interrupts, requester and BAR memory of
 * its own. It is created when the host enables VFs and destroyed when it disables them: create()
 * and destroy() are run then, in each process of the session.
 *
 * State. Private state is one process'. PF and VFs may be open in different processes: what they
 * have in common stands in the PF's shared state, dev->physfn->shared, under
 * pci_shared_lock(dev->physfn). dev->physfn->priv must not be touched by a VF: in this process
 * nobody may have the PF. To make the other side look, ring: pci_ring() from a VF at its PF,
 * pci_ring_vf() from the PF at a VF; `notified` then runs in the process that uses the other
 * function, if there is one, on a thread of that function and with its dev->lock held.
 *
 * Reset. FLR of a VF is vf_model->reset() of that VF and nothing else; tell the PF by pci_ring()
 * when hardware does. FLR of the PF is the PF's reset(); every VF that is in use is then reset as
 * well (its reset() runs in its process), and VF Enable is off until the host restores it. VFs that
 * are not in use have no private hardware state but what the PF's shared state says of them.
 *
 * Death. A process that dies takes its private state with it; robust mutexes tell the next holder
 * (pci_shared_lock() returns 1). The host never destroys a PF before its VFs.
 *
 * Locks: vf->lock and pf->lock are never held together, except that pci_ring() may be called with
 * either; pci_shared_lock() is below both.
 */
#ifndef PCI_SRIOV_H
#define PCI_SRIOV_H

#include "pci/pci.h"

struct model_config;

#define PCI_MAX_VFS 128

struct pci_vf_bar {
	uint64_t size;	/* of one VF, a power of two of 4096 at least; 0: not there */
	uint32_t flags; /* PCI_BASE_ADDRESS_*: memory; a 64-bit one takes two */
};

struct pci_sriov {
	uint16_t total_vfs;	 /* at most PCI_MAX_VFS; 0: the model has no SR-IOV */
	uint16_t offset, stride; /* First VF Offset and VF Stride: distances of routing ids */
	uint16_t vf_device;
	struct pci_vf_bar bar[PCI_NUM_BARS];
	const struct pci_model *vf_model;
};

/* Makes the capability at @at (0: where there is room), and VF's BARs and ids from a copy of
 * @sriov. The offset or -errno. */
int pci_add_sriov_cap(struct pci_dev *dev, uint16_t at, const struct pci_sriov *sriov);
/* Alternative Routing-ID Interpretation (7.8.8): functions 8 to 255 of a device, without which VFs
 * at distances beyond 7 have bus numbers of their own. PFs and VFs have it. */
int pci_add_ari_cap(struct pci_dev *dev, uint16_t at);

/* The routing id of VF @index of a PF at @rid. */
static inline uint32_t pci_vf_rid(uint32_t rid, const struct pci_sriov *sriov, unsigned int index)
{
	return rid + sriov->offset + sriov->stride * index;
}

/* VFs that the host has enabled, in whichever process; 0 of a function that is no PF. */
unsigned int pci_num_vf(const struct pci_dev *pf);
/* NumVFs as the register has it while VF Enable is set, else 0: what hardware goes by. */
unsigned int pci_enabled_vfs(const struct pci_dev *pf);

/* `notified` of @dev runs soon, where @dev is in use; any thread, any lock, traps as well. */
void pci_ring(struct pci_dev *dev);
/* The same for a VF that this process need not have as an object. */
void pci_ring_vf(struct pci_dev *pf, unsigned int index);

/* ---- the host ------------------------------------------------------------------------------- */

/* Makes VF @index of @pf, on no bus yet; @config is the PF's. 0 or -errno. */
int pci_vf_create(struct pci_dev *pf, unsigned int index, const struct model_config *config,
		  struct pci_dev **out, char *err, size_t err_size);

/* What a driver's sriov_configure() calls. core->lock held. Enabling: @num VFs or -errno as the
 * kernel's pci_enable_sriov(). Disabling only asks: the VFs' users are waited for without locks. */
int pci_enable_sriov(struct pci_dev *pf, unsigned int num);
void pci_disable_sriov(struct pci_dev *pf);
/* What a driver's probe calls: it has @num VFs at most. Its remove calls it with 0: all that the
 * device has again. core->lock held. -ENOSYS: no PF; -EINVAL: the device has fewer. */
int pci_sriov_set_totalvfs(struct pci_dev *pf, unsigned int num);
/* All VFs are gone: the end of pci_disable_sriov(). core->lock held. */
void pci_sriov_disabled(struct pci_dev *pf);

/* Another process may have changed the number of @pf's VFs: tells its driver. core->lock held. */
void pci_vfs_changed(struct pci_dev *pf);
/* Who did it died in the middle: @num VFs are there. core->lock held. */
void pci_sriov_mend(struct pci_dev *pf, unsigned int num);

/*
 * What a PF's driver keeps for all processes while it is bound: a token that users of VFs show, and
 * who uses VFs. pci_vf_token_get(): false, none was set. A VF's user is its process, so that one
 * that dies is none any more.
 */
void pci_vf_token_set(struct pci_dev *pf, const uint8_t token[16]);
bool pci_vf_token_get(const struct pci_dev *pf, uint8_t token[16]);
void pci_vf_token_clear(struct pci_dev *pf);
void pci_vf_set_user(struct pci_dev *vf, bool used);
unsigned int pci_vf_users(const struct pci_dev *pf);

#endif
