/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device model gives: hardware only. It sees registers, IOVAs (iommu/dma.h with dev->iommu)
 * and interrupt vectors (pci/msi.h); it knows neither VFIO nor sockets.
 */
#ifndef PCI_MODEL_H
#define PCI_MODEL_H

#include "pci/pci.h"

struct pci_sriov;

struct model_option {
	const char *key, *default_value, *help;
};

/* Options of one device as given on the command line, checked against the model's list. */
struct model_config {
	/* The value of @key, or the option's default; never NULL for a declared option. */
	const char *(*get)(const struct model_config *config, const char *key);
	/* True when the user named the option. */
	bool (*is_set)(const struct model_config *config, const char *key);
	void *priv;
};

struct pci_model {
	const char *name, *summary;
	const struct model_option *options; /* ends with key == NULL */
	size_t shared_size;		    /* bytes of session-wide state; pointer-free */
	/* Makes the function: ids, BARs, capabilities, private state. @err (of @err_size bytes)
	 * gets one clear sentence on failure that names the option, the value and the way out. */
	int (*create)(struct pci_dev *dev, const struct model_config *config, char *err,
		      size_t err_size);
	void (*destroy)(struct pci_dev *dev);
	/* First user of the session: dev->shared is zeroed, fill it. */
	void (*shared_init)(struct pci_dev *dev);
	/* First user in this process: BAR memory exists, storage may be mapped. 0 or -errno. */
	int (*power_on)(struct pci_dev *dev);
	void (*power_off)(struct pci_dev *dev);
	/* Before power_off, without dev->lock: threads of the model's own, which take it, are gone
	 * when this returns. */
	void (*quiesce)(struct pci_dev *dev);
	/* FLR or conventional reset: registers to their defaults, queues gone, BAR memory
	 * rewritten. */
	void (*reset)(struct pci_dev *dev);
	/* @off is below the BAR's size, @width 1, 2, 4 or 8. May run in a trap: no malloc, no
	 * libc I/O. */
	uint64_t (*bar_read)(struct pci_dev *dev, unsigned int bar, uint64_t off,
			     unsigned int width);
	void (*bar_write)(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			  uint64_t value);
	/* Legacy cycles of a display controller: memory from 0xa0000 to 0xbffff, ports (@io) 0x3b0
	 * to 0x3bb and 0x3c0 to 0x3df; @width 1, 2 or 4. NULL: it answers none. */
	uint32_t (*legacy_read)(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width);
	void (*legacy_write)(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width,
			     uint32_t value);
	/* Looks at the doorbell registers in BAR memory (which the program writes natively while
	 * the page is open) and runs what they ask for; true when anything was done. */
	bool (*poll)(struct pci_dev *dev);
	/* Goes on with work left over from the inline budget; true when more is left. */
	bool (*work)(struct pci_dev *dev);
	/* Virtual functions (pci/sriov.h): what @config asks for into *@out, which is zero. Called
	 * before there is a function. Options that do not fit are create()'s to complain of. */
	void (*sriov)(const struct model_config *config, struct pci_sriov *out);
	/* Of a PF: VF Enable and NumVFs say @num VFs now, or none (0), also by a reset. Once, in
	 * the process that did it: touch shared state alone. dev->lock held. */
	void (*vfs_changed)(struct pci_dev *dev, unsigned int num);
	/* Of PFs and VFs: somebody rang (pci_ring(), pci_ring_vf()). dev->lock held; not in a
	 * trap. Rings may be taken together. */
	void (*notified)(struct pci_dev *dev);
};

#endif
