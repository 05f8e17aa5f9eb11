/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bus type "pci" of the driver core: which driver fits which function, what sysfs shows, and
 * where functions sit (the kernel's drivers/pci/pci-driver.c, pci-sysfs.c, probe.c).
 */
#ifndef PCI_BUS_H
#define PCI_BUS_H

#include "device/device.h"
#include "pci/pci.h"

struct pci_bus;

/* What the bus asks of its surroundings; core->lock is held. */
struct pci_bus_env {
	void *arg;
	/* `remove`: take the function (and what is below it) out of the machine. */
	void (*remove)(void *arg, struct pci_dev *dev);
	/* `rescan` of the bus (@dev NULL) or of a function's bus: bring back what was removed. */
	void (*rescan)(void *arg, struct pci_dev *dev);
	/* Makes the first @num VFs of @pf and puts them on the bus; drivers may take them. On
	 * failure none is left. */
	int (*add_vfs)(void *arg, struct pci_dev *pf, unsigned int num);
	/* Takes them away when no lock is held any more, then calls pci_sriov_disabled(). */
	void (*remove_vfs)(void *arg, struct pci_dev *pf);
	/* The host is about to reset the function, core->lock held: 1 when that is to happen here,
	 * otherwise it has happened in another process, which has the function: 0 or -errno. NULL:
	 * always here. */
	int (*reset_elsewhere)(void *arg, struct pci_dev *dev, enum pci_host_reset how);
};

/* Registers the bus type with @core. 0 or -errno. */
int pci_bus_create(struct device_core *core, const struct pci_bus_env *env, struct pci_bus **out);
/* No driver and no function may be left. */
void pci_bus_destroy(struct pci_bus *bus);
struct bus_type *pci_bus_type(struct pci_bus *bus);

static inline struct pci_dev *to_pci_dev(struct device *dev)
{
	return container_of(dev, struct pci_dev, dev);
}

/*
 * Adds a function that its model has made (pci_dev_created() is called here): does what firmware
 * does (pci_firmware_init()), puts it below @port (NULL: on the root bus, below @root) and calls
 * device_add(). The device's last step of removal, device_del(), destroys it. Binding is
 * device_attach().
 */
int pci_bus_add_device(struct pci_bus *bus, struct pci_dev *dev, struct pci_dev *port,
		       struct device *root);
/* BAR addresses (a function of the place alone, so that every process agrees), COMMAND, the
 * interrupt line. -ENOSPC: the BARs do not fit below 4 GiB. */
int pci_firmware_init(struct pci_dev *dev);
/* Whether @addr lies where the BARs below 4 GiB are given out, and on which bus of its domain. */
bool pci_bar_window(uint64_t addr, unsigned int *bus);

/* A PCI Express root port at @rid with @secondary below it. */
int pci_root_port_create(uint32_t rid, uint8_t secondary, struct pci_dev **out);
/* The host bridge at 00:00.0. */
int pci_host_bridge_create(uint32_t rid, struct pci_dev **out);

/* ---- drivers -------------------------------------------------------------------------------- */

#define PCI_ANY_ID 0xffffffffu

struct pci_device_id {
	uint32_t vendor, device, subvendor, subdevice; /* PCI_ANY_ID: any */
	uint32_t class_code, class_mask;
	unsigned long driver_data;
	bool override_only; /* fits only by driver_override */
};

struct pci_driver {
	struct device_driver drv; /* name, module, probe, remove, attrs set by the driver */
	const struct pci_device_id *id_table; /* ends with all zero; NULL: none */
	struct list_head dynids;	      /* new_id; core->lock */
	bool idles;			      /* functions that nobody uses are put to sleep */
	/* An uncorrectable error at the function or beside it (pci/aer.h). core->lock held; NULL:
	 * such errors cannot be recovered from. */
	void (*error_detected)(struct pci_dev *dev);
	/* Enables @num VFs (pci_enable_sriov()) or disables them (0): @num or -errno. A driver's
	 * VFs go when it is unbound. core->lock held; NULL: it knows no SR-IOV. */
	int (*sriov_configure)(struct pci_dev *dev, unsigned int num);
	/* The number of @dev's VFs is another now, by whichever process. core->lock held; may be
	 * NULL. */
	void (*vfs_changed)(struct pci_dev *dev);
	/* @vf of the driver's @pf is new, and no driver has been asked yet; it was bound. In the
	 * process that does it. core->lock held; may be NULL. */
	void (*vf_added)(struct pci_dev *pf, struct pci_dev *vf);
	void (*vf_bound)(struct pci_dev *pf, struct pci_dev *vf);
};

/* The kernel's pci_match_one_device(). */
bool pci_match_one_device(const struct pci_device_id *id, const struct pci_dev *dev);
/* Whether an id of @drv's table fits, as at a probe without an override. core->lock held. */
bool pci_driver_fits(struct device_driver *drv, const struct pci_dev *dev);
int pci_driver_register(struct pci_bus *bus, struct pci_driver *drv);
void pci_driver_unregister(struct pci_driver *drv);
/* The dynamic ids as new_id takes them, one a line ("1b36 0010 ffffffff ffffffff 0 0"), for whoever
 * keeps them between processes; core->lock held. Returns the text's length. */
size_t pci_driver_dynids(const struct pci_driver *drv, char *buf, size_t size);
/* What a write to new_id does; -errno or @len. core->lock held. */
ssize_t pci_driver_new_id(struct pci_driver *drv, const char *buf, size_t len);

#endif
