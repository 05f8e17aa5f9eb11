/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI functions as hardware (PCI Express Base Specification; the kernel's include/linux/pci.h for
 * names): config space with the bits that silicon lets one write, BARs, interrupts, reset, the
 * function's place in the topology. What a VFIO user may see of it is vfio_pci's business.
 *
 * Lock: dev->lock (the device lock of docs/locking.md) guards everything here unless said
 * otherwise; model operations run with it held. Interrupt state has a lock of its own below it.
 */
#ifndef PCI_PCI_H
#define PCI_PCI_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/list.h"
#include "base/types.h"
#include "device/device.h"
#include "iommu/dma.h"

#define PCI_CFG_SIZE	  256
#define PCI_CFG_EXT_SIZE  4096
#define PCI_NUM_BARS	  6
#define PCI_ROM_BAR	  6
#define PCI_NUM_REGIONS	  7
#define PCI_RESET_METHODS 4 /* that exist here */
#define PCI_RESET_ORDER	  7 /* that can stand in `reset_method`, repeated ones too, as in Linux */
/* Region i of a device's memfd starts at i << PCI_REGION_SHIFT; config space is region 7, as in
 * vfio. */
#define PCI_REGION_SHIFT 40

struct pci_dev;
struct pci_model;
struct pci_irqs;

struct pci_bar {
	uint64_t size;	/* power of two; 0: not there */
	uint32_t flags; /* PCI_BASE_ADDRESS_* low bits: I/O, 64-bit, prefetchable */
	uint64_t addr;	/* bus address as assigned by the firmware (sysfs `resource`) */
	/* The backing memory of memory BARs, always readable and writable for the library; NULL
	 * until pci_dev_power_on(). Models keep register values there, so that native loads see
	 * them. */
	void *mem;
	/* enum page_access (file/file.h) of each page, as the model declared it. */
	uint8_t *page_access;
};

/* Told when the access of BAR pages changes at run time (doorbell pages opened and closed, memory
 * decode off). @access is an enum page_access. Called with dev->lock held. */
struct pci_bar_listener {
	struct list_head node;
	void (*set_access)(struct pci_bar_listener *l, unsigned int bar, uint64_t off, uint64_t len,
			   int access);
};

/* What sysfs keeps of a function; core->lock. */
struct pci_sysfs_state {
	bool no_msi_bus, no_d3cold, broken_parity, rom_enabled;
	bool had_reset; /* when it was found; the user may turn all methods off */
	bool no_vf_autoprobe;
	bool power_on, power_sync; /* power/control is "on", power/async "disabled" */
	int numa_node;		   /* plus 1: 0 is none */
	unsigned int enable_count;
	uint8_t reset_order[PCI_RESET_ORDER]; /* reset_method.c's numbers; 0 ends it */
	/* Error messages: so many in so many milliseconds; [0] correctable, [1] non-fatal. */
	int aer_burst[2], aer_interval[2];
};

/* Told when bytes of the hardware's config space changed. Called with dev->lock or the interrupt
 * lock held: it may read dev->config and take a leaf lock of its own, nothing else. */
struct pci_config_listener {
	struct list_head node;
	void (*changed)(struct pci_config_listener *l, unsigned int off, unsigned int len);
};
struct pci_dev;
/* Removed: it is not running any more and will not run again. */
void pci_add_config_listener(struct pci_dev *dev, struct pci_config_listener *l);
void pci_remove_config_listener(struct pci_dev *dev, struct pci_config_listener *l);

struct pci_dev {
	struct device dev;
	uint32_t rid; /* domain << 16 | bus << 8 | devfn */
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint32_t class_code; /* 24 bits */
	uint8_t revision;
	bool is_bridge;

	pthread_mutex_t lock;
	_Atomic int lock_waiters;		     /* see pci_dev_lock() */
	uint8_t config[PCI_CFG_EXT_SIZE];	     /* hardware's bytes, little-endian */
	uint8_t wmask[PCI_CFG_EXT_SIZE];	     /* bits that software may write */
	uint8_t w1cmask[PCI_CFG_EXT_SIZE];	     /* bits that a written 1 clears */
	uint16_t cfg_size;			     /* 256 or 4096 */
	uint8_t msi_cap, msix_cap, pm_cap, pcie_cap; /* offsets; 0: not there */
	uint8_t af_cap, vpd_cap;
	uint16_t aer_cap, sriov_cap;

	struct pci_bar bar[PCI_NUM_REGIONS];
	int memfd; /* sparse, region i at i << 40; -1 until pci_dev_power_on() */
	struct list_head bar_listeners;
	struct list_head config_listeners;
	bool no_mmap;	  /* BARs are not offered for mapping */
	bool sparse_mmap; /* only pages without side effects are offered for mapping */

	struct iommu_dev *iommu; /* the requester; NULL: no IOMMU in front of it */
	struct pci_irqs *irqs;	 /* msi.h */
	int irq_base;		 /* the number that the host would give the first message; 0: any */
	/* Told after the host driver enabled @vectors messages of @type (enum pci_irq_type), or
	 * none any more (0). Called without dev->lock. NULL: nobody listens. */
	void (*vectors_changed)(void *arg, int type, unsigned int vectors);
	void *vectors_arg;

	/* Of a virtual function: its PF, and which it is of that one's; NULL: a physical one. */
	struct pci_dev *physfn;
	unsigned int vf_index;
	const struct pci_sriov *sriov; /* of a PF (pci/sriov.h); NULL: without SR-IOV */

	const struct pci_model *model;
	void *priv;   /* the model's private state: this process */
	void *shared; /* the model's shared state: the session; see pci_shared_lock() */
	struct pci_doorbell *doorbell; /* doorbell.h; NULL: none */
	struct pci_stats *stats;
	struct pci_sysfs_state sysfs;
	struct pci_internal *internal; /* this folder's own */
};

/* Errors as the host counts them, one for each bit of the status registers, and the messages. */
struct pci_aer_stats {
	_Atomic uint32_t cor[16], fatal[32], nonfatal[32];
	_Atomic uint32_t total_cor, total_fatal, total_nonfatal;
	_Atomic uint32_t port_cor, port_fatal, port_nonfatal; /* received by a root port */
};

struct pci_stats {
	_Atomic uint64_t irqs, doorbells_trapped, doorbells_polled, reg_reads, reg_writes, resets;
	struct pci_aer_stats aer;
};

/*
 * Takes dev->lock. Counts itself while it waits, so that a thread that polls the device in a loop
 * can let it in: a mutex that is unlocked and locked at once never reaches a sleeper.
 */
static inline void pci_dev_lock(struct pci_dev *dev)
{
	if (pthread_mutex_trylock(&dev->lock) == 0)
		return;
	atomic_fetch_add(&dev->lock_waiters, 1);
	pthread_mutex_lock(&dev->lock);
	atomic_fetch_sub(&dev->lock_waiters, 1);
}

static inline void pci_dev_unlock(struct pci_dev *dev)
{
	pthread_mutex_unlock(&dev->lock);
}

/* ---- making a function (models, bridges) ---------------------------------------------------- */

/*
 * Allocates a function with an empty type 0 header of 4096 bytes. @rid as above. Bytes that no
 * register claims can be written and read back, as in the emulated devices that drivers are tested
 * with; pci_add_capability() makes its bytes read-only until wmask says otherwise.
 */
int pci_dev_create(uint32_t rid, const struct pci_model *model, struct pci_dev **out);
/* Runs model->destroy() when the model's create() succeeded (pci_dev_created()). */
void pci_dev_destroy(struct pci_dev *dev);
/* The function is complete: config space as it is now is what a reset restores. */
void pci_dev_created(struct pci_dev *dev);
void pci_dev_set_ids(struct pci_dev *dev, uint16_t vendor, uint16_t device, uint32_t class_code,
		     uint8_t revision, uint16_t subsystem_vendor, uint16_t subsystem_device);
/* @flags: PCI_BASE_ADDRESS_*; a 64-bit BAR takes @bar and @bar + 1. @size: power of two >= 16. */
int pci_dev_add_bar(struct pci_dev *dev, unsigned int bar, uint64_t size, uint32_t flags);
/* Declares how pages of the BAR behave (default: PAGE_TRAP_ALL). Page aligned. */
void pci_bar_declare(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len, int access);
/* Changes it at run time and tells the listeners. */
void pci_bar_set_access(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len,
			int access);
/*
 * Add capabilities; each returns the offset or -errno. A capability added later comes earlier in
 * the chain. pci_add_capability() takes the lowest free place; the builders have their usual places
 * when they are free: PM at 0x60, PCI Express at 0x80, MSI-X at 0x40.
 */
int pci_add_capability(struct pci_dev *dev, uint8_t id, uint8_t size);
int pci_add_capability_at(struct pci_dev *dev, uint8_t id, uint8_t off, uint8_t size);
int pci_add_ext_capability(struct pci_dev *dev, uint16_t id, uint8_t version, uint16_t size);
/* The first one must be at 0x100, where the list begins; @at 0: the lowest free place. */
int pci_add_ext_capability_at(struct pci_dev *dev, uint16_t id, uint8_t version, uint16_t at,
			      uint16_t size);
int pci_add_pm_cap(struct pci_dev *dev);		      /* version 3, No_Soft_Reset */
int pci_add_pcie_endpoint_cap(struct pci_dev *dev);	      /* with FLR */
int pci_add_pcie_cap(struct pci_dev *dev, unsigned int type); /* PCI_EXP_TYPE_*, without FLR */
int pci_add_msi_cap(struct pci_dev *dev, unsigned int vectors, bool maskable);
/* The table and the PBA are put into BAR @bar at @table_off and @pba_off, in pages of their own. */
int pci_add_msix_cap(struct pci_dev *dev, unsigned int vectors, unsigned int bar,
		     uint32_t table_off, uint32_t pba_off);
/* The same at a fixed place @at (0: the usual one). @flags: PCI_MSI_FLAGS_64BIT, _MASKBIT. */
int pci_add_pm_cap_at(struct pci_dev *dev, uint8_t at);
int pci_add_pcie_cap_at(struct pci_dev *dev, uint8_t at, unsigned int type);
int pci_add_msi_cap_at(struct pci_dev *dev, uint8_t at, unsigned int vectors, unsigned int flags);
int pci_add_msix_cap_at(struct pci_dev *dev, uint8_t at, unsigned int vectors, unsigned int bar,
			uint32_t table_off, uint32_t pba_off);
/* Function-level reset through the PCI Express capability, which is there already. */
void pci_add_pcie_flr(struct pci_dev *dev);

/* Advanced Features with FLR and transactions pending (PCI ECN of 2006): conventional functions. */
int pci_add_af_cap(struct pci_dev *dev);
/* Vital product data: a copy of @data is what the function has, resource tags and all. */
int pci_add_vpd_cap(struct pci_dev *dev, const uint8_t *data, size_t len);
/* Advanced Error Reporting; of a root port with its root registers. */
int pci_add_aer_cap(struct pci_dev *dev);
/* Access Control Services of a port, turned on. */
int pci_add_acs_cap(struct pci_dev *dev);

/* ---- life ----------------------------------------------------------------------------------- */

/* Called before the first user of this process: memfd and BAR memory exist, the model's private
 * state is set up (model->power_on). Counted; 0 or -errno. */
int pci_dev_power_on(struct pci_dev *dev);
void pci_dev_power_off(struct pci_dev *dev);
/* Function-level reset: config registers, interrupts, the model; BAR addresses are kept by whoever
 * restores them (pci_save_state/pci_restore_state). Takes dev->lock. */
void pci_dev_reset(struct pci_dev *dev);
/* Save, reset with the first of the function's methods, restore: 0, -ENOTTY: it has none. */
int pci_reset_function(struct pci_dev *dev);
/* The reset alone. */
int pci_reset_only(struct pci_dev *dev);
/* One function's part in a reset of its bus: saved, reset, restored. */
int pci_reset_through_port(struct pci_dev *dev);
bool pci_reset_supported(const struct pci_dev *dev);

/* What the host does to a function by `reset`, `reset_subordinate`, and by Secondary Bus Reset,
 * after which nobody restores anything. */
enum pci_host_reset { PCI_HOST_RESET = 1, PCI_HOST_RESET_BUS, PCI_HOST_RESET_LINK };
/* It happens in this process. 0 or -errno. */
int pci_host_reset_here(struct pci_dev *dev, enum pci_host_reset how);
/* It happens where the function's user is (struct pci_bus_env); core->lock held. 0 or -errno. */
int pci_host_reset(struct pci_dev *dev, enum pci_host_reset how);
/* The port above the function; NULL: it is on a root bus. */
struct pci_dev *pci_upstream_port(const struct pci_dev *dev);
bool pci_has_flr(const struct pci_dev *dev);
void pci_save_state(struct pci_dev *dev, uint8_t saved[PCI_CFG_EXT_SIZE]);
void pci_restore_state(struct pci_dev *dev, const uint8_t saved[PCI_CFG_EXT_SIZE]);

/* ---- access --------------------------------------------------------------------------------- */

/* Config cycles on the bus, @width 1, 2 or 4, naturally aligned. Take dev->lock. */
uint32_t pci_config_read(struct pci_dev *dev, unsigned int off, unsigned int width);
void pci_config_write(struct pci_dev *dev, unsigned int off, unsigned int width, uint32_t value);
/* The same for the bits in @mask only, in one step: what the host's read-modify-write cycles do. */
void pci_config_write_masked(struct pci_dev *dev, unsigned int off, unsigned int width,
			     uint32_t value, uint32_t mask);
/* The host driver's usual writes: COMMAND.BUS_MASTER, COMMAND.MEMORY and IO for the BARs there are,
 * PMCSR (0: D0 .. 3: D3hot; -EIO: D1, D2 not supported, -EINVAL: no way from here to there). */
void pci_set_master(struct pci_dev *dev, bool on);
void pci_enable_decode(struct pci_dev *dev);
int pci_set_power_state(struct pci_dev *dev, unsigned int state);
unsigned int pci_power_state(const struct pci_dev *dev);
/* Whether memory cycles are answered: COMMAND.MEMORY is on and the function in D0..D2. */
bool pci_memory_enabled(const struct pci_dev *dev);

/* Raw accessors for code that holds dev->lock or owns the function; writing tells the listeners. */
static inline uint8_t pci_get_byte(const struct pci_dev *dev, unsigned int off)
{
	/* COMMAND and STATUS change under the interrupt lock, too. */
	return __atomic_load_n(&dev->config[off], __ATOMIC_RELAXED);
}
uint16_t pci_get_word(const struct pci_dev *dev, unsigned int off);
uint32_t pci_get_long(const struct pci_dev *dev, unsigned int off);
void pci_set_word(struct pci_dev *dev, unsigned int off, uint16_t value);
void pci_set_long(struct pci_dev *dev, unsigned int off, uint32_t value);

/* Vital product data as the host reads it, through the capability: bytes moved, 0 beyond its end;
 * -ENODEV: none. Writes are words, -EINVAL otherwise and beyond the end. */
ssize_t pci_vpd_read(struct pci_dev *dev, uint64_t pos, size_t len, void *buf);
ssize_t pci_vpd_write(struct pci_dev *dev, uint64_t pos, size_t len, const void *buf);

/* Memory and I/O cycles, @width 1, 2, 4 or 8. MSI-X table and PBA are served here, all else by
 * the model. Take dev->lock. A device whose memory decode is off answers all ones and ignores
 * writes. */
uint64_t pci_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width);
void pci_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
		   uint64_t value);
/* Legacy cycles (model.h); ones when nobody answers. Take dev->lock. */
uint32_t pci_legacy_read(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width);
void pci_legacy_write(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width,
		      uint32_t value);
/* A write that arrived while the thread was inside the library (depth above 0): queued without a
 * lock and run by pci_run_deferred() at the outermost exit. */
void pci_bar_write_deferred(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			    uint64_t value);
void pci_run_deferred(void);
/* The same at the end of a trap, where nothing can be logged. */
void pci_run_deferred_trap(void);
/* In the child of a fork: what was queued was the parent's. */
void pci_after_fork(void);
/* A load that arrived at depth above 0: what BAR memory holds, all ones where there is none. No
 * lock. */
uint64_t pci_bar_read_nested(struct pci_dev *dev, unsigned int bar, uint64_t off,
			     unsigned int width);

/* ---- the device's thread -------------------------------------------------------------------- */

/* Work that exceeded the inline budget, or that waits (flush, long transfers): model->work() is
 * called on the function's own thread, lock held for each piece, until it returns false. */
void pci_dev_kick(struct pci_dev *dev);

/* State that belongs to the hardware and is shared by the session's processes (design D2a):
 * under a robust mutex. Returns 1 when the previous holder died inside (the function must be
 * reset), else 0. */
int pci_shared_lock(struct pci_dev *dev);
void pci_shared_unlock(struct pci_dev *dev);
/* machine/ gives each function its piece of the session's file: @mem starts with a header of this
 * folder's (the mutex, what the host wrote to config space) and has room for model->shared_size
 * bytes behind it. @fresh: first user, initialise. */
/* What the host wrote to config space is seen by the session's other processes from now on; nothing
 * happens while the function is in use by this process. Neither lock held. */
void pci_config_publish(struct pci_dev *dev);
#define PCI_SHARED_HEADER (2048 + 2 * PCI_CFG_EXT_SIZE)
int pci_dev_set_shared(struct pci_dev *dev, void *mem, bool fresh);

#endif
