/* SPDX-License-Identifier: BSD-3-Clause */
/* What bus.c and the files of sysfs share. */
#ifndef PCI_BUS_PRIV_H
#define PCI_BUS_PRIV_H

#include "pci/bus.h"

struct pci_bus {
	struct bus_type type;
	struct pci_bus_env env;
};

/* sysfs.c: what each function's directory shows. */
extern const struct attribute pci_dev_attrs[];
/* sysfs_more.c: the subdirectories, and what only some functions have. */
extern const struct attribute pci_dev_more_attrs[];

/* reset_method.c */
void pci_init_reset_methods(struct pci_dev *dev);
ssize_t pci_reset_method_show(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t pci_reset_method_store(void *obj, const struct attribute *attr, const char *buf,
			       size_t len);
/* sriov_host.c: a PF's attributes, and the VFs' own. */
bool pci_is_pf(void *obj, const struct attribute *attr);
bool pci_is_vf(void *obj, const struct attribute *attr);
enum { SRIOV_TOTALVFS, SRIOV_OFFSET, SRIOV_STRIDE, SRIOV_VF_DEVICE, SRIOV_VF_TOTAL_MSIX };
ssize_t pci_sriov_show(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t pci_numvfs_show(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t pci_numvfs_store(void *obj, const struct attribute *attr, const char *buf, size_t len);
ssize_t pci_vf_autoprobe_show(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t pci_vf_autoprobe_store(void *obj, const struct attribute *attr, const char *buf,
			       size_t len);
ssize_t pci_vf_msix_count_store(void *obj, const struct attribute *attr, const char *buf,
				size_t len);
/* "pci:v00001B36d..." without newline. */
size_t pci_modalias(const struct pci_dev *dev, char *buf, size_t size);

#endif
