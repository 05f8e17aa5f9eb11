/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One function in a user's hands (struct vfio_pci_core_device in the kernel).
 *
 * Locks, outermost first: vdev->lock (open, close, SET_IRQS, reset), memory_lock (what changes
 * whether memory is answered: config writes, resets, power), intx.lock (masked, trigger), pci's
 * dev->lock and irqs->lock, config.lock (vconfig and image; a leaf).
 */
#ifndef VFIO_PCI_VFIO_PCI_PRIV_H
#define VFIO_PCI_VFIO_PCI_PRIV_H

#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdatomic.h>

#include "irq/irqbypass.h"
#include "irq/trigger.h"
#include "pci/msi.h"
#include "pci/pci.h"
#include "vfio/vfio_device.h"

#define VFIO_PCI_MAX_HOOKS 16

struct vfio_pci_device;

/* One piece of a user's write, inside one capability. */
struct vfio_pci_write {
	unsigned int pos, width;
	uint32_t value;
};

/* @w touched the register at @reg (absolute); runs after the bytes have been stored, memory_lock
 * held. */
typedef void (*vfio_pci_written_fn)(struct vfio_pci_device *vpd, unsigned int reg,
				    const struct vfio_pci_write *w);

/*
 * A register as a user may see it. A bit that is virtual lives in vconfig, any other in the
 * function; a bit that is not writable drops what is written. @off is relative to the capability.
 */
struct vfio_pci_reg {
	uint16_t off;
	uint8_t width;
	uint32_t virt, write;
	vfio_pci_written_fn written;
	const char *section; /* of the specification */
};

/* A capability: its length (or a function that finds it), its registers. Bytes that no register
 * names come from the function and cannot be written, unless @raw. */
struct vfio_pci_cap {
	uint16_t len;
	int (*find_len)(struct vfio_pci_device *vpd, unsigned int pos);
	bool raw;
	const struct vfio_pci_reg *regs;
	unsigned int n_regs;
};

/* NULL: hidden from the user. perm.c */
extern const struct vfio_pci_cap vfio_pci_header_cap;
const struct vfio_pci_cap *vfio_pci_find_cap(unsigned int id);
const struct vfio_pci_cap *vfio_pci_find_ext_cap(unsigned int id);
/* MSI's registers depend on its flags. */
const struct vfio_pci_reg *vfio_pci_msi_regs(uint16_t flags, unsigned int *n);

struct vfio_pci_hook {
	uint16_t pos, width;
	vfio_pci_written_fn fn;
};

struct vfio_pci_config {
	pthread_mutex_t lock;
	uint8_t *image; /* what a user reads; the memfd's region 7 */
	uint8_t vconfig[PCI_CFG_EXT_SIZE];
	uint8_t virt[PCI_CFG_EXT_SIZE], write[PCI_CFG_EXT_SIZE];
	uint8_t owner[PCI_CFG_EXT_SIZE]; /* the capability of a byte; 0: none, 1: header */
	struct vfio_pci_hook hooks[VFIO_PCI_MAX_HOOKS];
	unsigned int n_hooks, n_owners;
	uint32_t rbar[PCI_NUM_REGIONS]; /* the function's BARs, to notice a reset behind our back */
	_Atomic unsigned int msi_qmax;	/* log2 of the messages enabled by SET_IRQS */
	struct pci_config_listener listener;
};

#define VFIO_PCI_IRQ_NONE VFIO_PCI_NUM_IRQS

struct vfio_pci_intx {
	pthread_mutex_t lock;
	_Atomic(struct irq_trigger *) trigger;
	atomic_bool masked;
	struct virqfd *unmask;
};

struct vfio_pci_ioeventfd {
	struct list_head node;
	struct vfio_pci_device *vpd;
	struct virqfd *virqfd;
	uint64_t off, data;
	unsigned int bar, width;
};

/* Registers of a function that is asleep and forgets. */
struct vfio_pci_saved {
	bool valid;
	uint8_t config[PCI_CFG_EXT_SIZE];
};

/* A message that the user may have an eventfd for. */
struct vfio_pci_vector {
	struct irq_trigger *trigger; /* NULL: none */
	struct irq_bypass_producer producer;
};

struct vfio_pci_device {
	struct vfio_device vdev;
	struct pci_dev *pdev;
	pthread_mutex_t memory_lock;
	struct vfio_pci_config config;
	uint8_t saved[PCI_CFG_EXT_SIZE]; /* config space at open, restored at close */
	bool reset_works;
	/* Module parameters as they were when the driver took the function. */
	bool nointxmask, disable_idle_d3, disable_vga;
	bool has_vga;	  /* the VGA region is offered */
	bool intx_in_cmd; /* INTx is masked in the function (PCI 2.3), not at the interrupt line */
	struct vfio_pci_saved pm_saved,
		idle_saved;	      /* power.c; memory_lock, or nobody has it open */
	atomic_bool command_memory;   /* the user's COMMAND.MEMORY */
	uint32_t msix_off, msix_size; /* of the table, in BAR msix_bar */
	unsigned int msix_bar;	      /* PCI_NUM_BARS: none */
	bool bar_mmap[PCI_NUM_BARS];

	/* Mappings; dev->lock of the function. */
	struct pci_bar_listener bar_listener;
	struct file *file; /* knows how its pages behave; NULL: nothing was mapped yet */
	bool revoked;

	/* VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY (power.c); memory_lock. */
	atomic_bool low_power;
	bool suspended, suspend_masked;
	unsigned int low_power_uses;
	struct irq_trigger *wakeup;

	/* Interrupts; vdev->lock. */
	_Atomic unsigned int irq_type; /* VFIO_PCI_*_IRQ_INDEX or VFIO_PCI_IRQ_NONE */
	atomic_bool virq_disabled;     /* the user's COMMAND.INTX_DISABLE */
	struct vfio_pci_intx intx;
	struct vfio_pci_vector *vectors;
	unsigned int n_vectors; /* allocated in vectors[] */
	unsigned int n_enabled; /* as SET_IRQS enabled them */
	_Atomic(struct irq_trigger *) err_trigger, req_trigger;
	pthread_mutex_t req_lock; /* a request comes without vdev->lock */
	struct list_head ioeventfds;
	unsigned int n_ioeventfds;
};

static inline struct vfio_pci_device *to_vpd(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_pci_device, vdev);
}

/* config.c */
int vfio_pci_config_init(struct vfio_pci_device *vpd);
void vfio_pci_config_free(struct vfio_pci_device *vpd);
ssize_t vfio_pci_config_read(struct vfio_pci_device *vpd, uint64_t off, void *buf, size_t count);
ssize_t vfio_pci_config_write(struct vfio_pci_device *vpd, uint64_t off, const void *buf,
			      size_t count);
/* Recomputes what a user reads of [@off, @off + @len). */
void vfio_pci_config_refresh(struct vfio_pci_device *vpd, unsigned int off, unsigned int len);
uint16_t vfio_pci_vconfig_word(struct vfio_pci_device *vpd, unsigned int off);
void vfio_pci_vconfig_set(struct vfio_pci_device *vpd, unsigned int off, unsigned int width,
			  uint32_t value);

/* effects.c: what writes to single registers do. */
void vfio_pci_command_before(struct vfio_pci_device *vpd, const struct vfio_pci_write *w);
void vfio_pci_command_written(struct vfio_pci_device *vpd, unsigned int reg,
			      const struct vfio_pci_write *w);
void vfio_pci_bar_written(struct vfio_pci_device *vpd, unsigned int reg,
			  const struct vfio_pci_write *w);
void vfio_pci_pmcsr_written(struct vfio_pci_device *vpd, unsigned int reg,
			    const struct vfio_pci_write *w);
void vfio_pci_devctl_written(struct vfio_pci_device *vpd, unsigned int reg,
			     const struct vfio_pci_write *w);
void vfio_pci_af_written(struct vfio_pci_device *vpd, unsigned int reg,
			 const struct vfio_pci_write *w);
void vfio_pci_msi_written(struct vfio_pci_device *vpd, unsigned int reg,
			  const struct vfio_pci_write *w);
void vfio_pci_vpd_written(struct vfio_pci_device *vpd, unsigned int reg,
			  const struct vfio_pci_write *w);
void vfio_pci_fixup_bars(struct vfio_pci_device *vpd);
/* power.c; memory_lock held. */
int vfio_pci_set_power_state(struct vfio_pci_device *vpd, unsigned int state);
/* The sleep of a function that is not in use. */
void vfio_pci_sleep(struct vfio_pci_device *vpd);
void vfio_pci_wake(struct vfio_pci_device *vpd);
/* memory_lock not held. @wakeup is taken on success. */
int vfio_pci_low_power_entry(struct vfio_pci_device *vpd, struct irq_trigger *wakeup);
void vfio_pci_low_power_exit(struct vfio_pci_device *vpd);
void vfio_pci_use_slow(struct vfio_pci_device *vpd);
void vfio_pci_unuse_slow(struct vfio_pci_device *vpd, bool counted);

/* Around whatever a user asks of the function: it is awake in between. */
static inline bool vfio_pci_use(struct vfio_pci_device *vpd)
{
	if (likely(!atomic_load_explicit(&vpd->low_power, memory_order_relaxed)))
		return false;
	vfio_pci_use_slow(vpd);
	return true;
}

/* @used: what vfio_pci_use() returned. */
static inline void vfio_pci_unuse(struct vfio_pci_device *vpd, bool used)
{
	if (unlikely(used || atomic_load_explicit(&vpd->low_power, memory_order_relaxed)))
		vfio_pci_unuse_slow(vpd, used);
}

/* Whether memory is answered, as far as the user can tell. */
static inline bool vfio_pci_memory_enabled(const struct vfio_pci_device *vpd)
{
	return atomic_load_explicit(&vpd->command_memory, memory_order_relaxed) &&
	       pci_power_state(vpd->pdev) < 3;
}

/* memory.c: memory_lock held. */
void vfio_pci_memory_zap(struct vfio_pci_device *vpd);
void vfio_pci_memory_update(struct vfio_pci_device *vpd);
void vfio_pci_memory_init(struct vfio_pci_device *vpd);
void vfio_pci_memory_exit(struct vfio_pci_device *vpd);
int vfio_pci_mmap(struct vfio_device *vdev, unsigned int region, uint64_t off, uint64_t len,
		  int prot, int flags);
int vfio_pci_sparse_cap(struct vfio_pci_device *vpd, unsigned int bar, struct vfio_info_cap *caps);

/* core.c: resets the function; memory_lock held. -EAGAIN: somebody is taking the driver away. */
int vfio_pci_reset_locked(struct vfio_pci_device *vpd);

/* rdwr.c */
ssize_t vfio_pci_region_read(struct vfio_device *vdev, unsigned int region, uint64_t off, void *buf,
			     size_t count);
ssize_t vfio_pci_region_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
			      const void *buf, size_t count);
uint64_t vfio_pci_mmio_read(struct vfio_device *vdev, unsigned int region, uint64_t off,
			    unsigned int width, bool nested);
void vfio_pci_mmio_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
			 unsigned int width, uint64_t value, bool nested);
long vfio_pci_ioeventfd(struct vfio_pci_device *vpd, unsigned long arg);
void vfio_pci_ioeventfds_free(struct vfio_pci_device *vpd);

/* intrs.c, vdev->lock held. */
int vfio_pci_set_irqs(struct vfio_device *vdev, uint32_t flags, unsigned int index,
		      unsigned int start, unsigned int count, const void *data);
unsigned int vfio_pci_irq_count(struct vfio_pci_device *vpd, unsigned int index);
void vfio_pci_irqs_close(struct vfio_pci_device *vpd);
int vfio_pci_set_msi_trigger(struct vfio_pci_device *vpd, unsigned int index, unsigned int start,
			     unsigned int count, uint32_t flags, const void *data);
void vfio_pci_msi_disable(struct vfio_pci_device *vpd, unsigned int index);
/* intx.c */
int vfio_pci_set_intx_trigger(struct vfio_pci_device *vpd, unsigned int start, unsigned int count,
			      uint32_t flags, const void *data);
int vfio_pci_set_intx_mask(struct vfio_pci_device *vpd, unsigned int start, unsigned int count,
			   uint32_t flags, const void *data);
int vfio_pci_set_intx_unmask(struct vfio_pci_device *vpd, unsigned int start, unsigned int count,
			     uint32_t flags, const void *data);
void vfio_pci_intx_disable(struct vfio_pci_device *vpd);
/* By ioctl, virqfd or the user's COMMAND.INTX_DISABLE; any lock but intx.lock may be held. */
/* True: it was not masked before. */
bool vfio_pci_intx_mask(struct vfio_pci_device *vpd);
void vfio_pci_intx_unmask(struct vfio_pci_device *vpd);

/* vga.c */
#define VFIO_PCI_VGA_SIZE 0xc0000
ssize_t vfio_pci_vga_rw(struct vfio_pci_device *vpd, uint64_t off, void *buf, size_t count,
			bool write);
/* rom.c: bytes of the ROM's images; 0: what is there is no ROM. Its memory exists. */
uint64_t vfio_pci_rom_size(const struct vfio_pci_device *vpd);
/* dmabuf.c: a dma-buf fd or -errno. */
int vfio_pci_feature_dma_buf(struct vfio_pci_device *vpd, const void *data, size_t size);

/* sriov.c: what of the driver concerns VFs (struct pci_driver). */
int vfio_pci_sriov_configure(struct pci_dev *pf, unsigned int num);
void vfio_pci_vfs_changed(struct pci_dev *pf);
void vfio_pci_vf_added(struct pci_dev *pf, struct pci_dev *vf);
void vfio_pci_vf_bound(struct pci_dev *pf, struct pci_dev *vf);
/* Whether who gives the token @uuid (NULL: none) may open the function: 0, -EACCES, -EINVAL. */
int vfio_pci_validate_vf_token(struct vfio_pci_device *vpd, const uint8_t *uuid);
void vfio_pci_virtualize_vf(struct vfio_pci_device *vpd);

/* feature.c */
int vfio_pci_feature(struct vfio_device *vdev, uint32_t flags, uint32_t feature, void *data,
		     size_t size);
/* hot_reset.c */
long vfio_pci_hot_reset_info(struct vfio_pci_device *vpd, unsigned long arg);
long vfio_pci_hot_reset(struct vfio_pci_device *vpd, unsigned long arg);

#endif
