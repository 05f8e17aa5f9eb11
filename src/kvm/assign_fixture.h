/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For unit tests of device assignment: functions behind one IOMMU, a software VM whose memory
 * begins with one slot at 0, and an environment that gives the functions out.
 */
#ifndef KVM_ASSIGN_FIXTURE_H
#define KVM_ASSIGN_FIXTURE_H

#include "iommu/dma.h"
#include "kvm/assigned_priv.h"

#define FIX_DEVS    3
#define FIX_MEM	    (4UL << 20)
#define FIX_VECTORS 4
#define K4	    0x1000UL
#define M2	    0x200000UL
#define NOT_MAPPED  (1UL << 40) /* a guest physical address without a slot */

extern struct iommu *fix_unit;
/* Functions 0000:01:00.0 and on, each in a group of its own, BAR 0, MSI, MSI-X, INTx. */
extern struct pci_dev *fix_dev[FIX_DEVS];
extern struct iommu_group *fix_group[FIX_DEVS];
extern struct hostmem *fix_hm;
extern struct kvm *fix_kvm;
extern char *fix_mem; /* guest memory at 0; M2 aligned */
/* What env->permission() and env->request() say, and what request() has given out. */
extern int fix_permission, fix_request;
extern unsigned int fix_taken;
/* What the environment says of huge pages; 0: none. */
extern size_t fix_huge;
extern const struct kvm_assign_env fix_env;

/* @model: enum iommu_model. @memlock: bytes. */
void fix_setup(int model, uint64_t memlock);
void fix_teardown(void);
/* KVM_SET_USER_MEMORY_REGION. */
int fix_slot(unsigned int id, uint64_t gpa, void *memory, uint64_t size, uint32_t flags);
/* A DMA of one word by function @dev; 0 or -EIO. */
int fix_dma(unsigned int dev, uint64_t gpa, bool write, uint32_t *value);

#endif
