/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this folder share. */
#ifndef PCI_PCI_PRIV_H
#define PCI_PCI_PRIV_H

#include <linux/pci_regs.h>
#include <semaphore.h>

#include "iommu/intr_remap.h"
#include "pci/model.h"
#include "pci/msi.h"
#include "pci/pci.h"
#include "pci/sriov.h"

#define PCI_MAX_HOOKS 24
#define PCI_MAX_CAPS  48

/* A register with an effect: @fn runs after a write touched [@off, @off + @len), dev->lock held. */
struct pci_cfg_hook {
	uint16_t off, len;
	void (*fn)(struct pci_dev *dev);
};

struct pci_cap_extent {
	uint16_t off, size;
};

/*
 * What a PF's processes share about its VFs: in front of the model's state in the session's file,
 * or, without one, in the function itself. Pointer-free.
 */
struct pci_vf_state {
	_Atomic uint32_t num_vfs; /* the host's: VFs that there are */
	_Atomic uint32_t reg;	  /* NumVFs << 16 | SR-IOV Control, as the host set them */
	_Atomic uint32_t bell;	  /* futex: raised to make the PF look */
	_Atomic uint32_t vf_bell[PCI_MAX_VFS]; /* futexes of the VFs */
	_Atomic uint8_t vf_reset[PCI_MAX_VFS]; /* the PF was reset, and so is the VF */
	_Atomic int32_t vf_user[PCI_MAX_VFS];  /* the process that has it open; 0: none */
	_Atomic uint32_t token_seq;	       /* odd while the token is written */
	_Atomic uint32_t token_set;
	_Atomic uint64_t token[2];
};

struct pci_internal {
	struct pci_cfg_hook hooks[PCI_MAX_HOOKS];
	unsigned int n_hooks;
	struct pci_cap_extent caps[PCI_MAX_CAPS];
	unsigned int n_caps;
	uint8_t reset_config[PCI_CFG_EXT_SIZE]; /* config space after a reset */
	bool snapshot;				/* reset_config is filled */
	bool created;				/* model->destroy() is due */

	_Atomic unsigned int power_state; /* PMCSR's, as far as it took effect */
	bool soft;			  /* that reset is a wake-up from D3hot */
	bool flr; /* a reset was asked for by a write: it comes at the end of the write */
	_Atomic unsigned int below; /* functions below this port */
	uint8_t *vpd;		    /* vital product data; NULL: none */
	size_t vpd_len;
	/* aer.c: when the present interval of messages began and how many there were. */
	uint64_t aer_begin[2];
	int aer_printed[2];

	pthread_mutex_t power_lock; /* outermost: guards power_count */
	unsigned int power_count;
	_Atomic bool mirrors;	    /* pci_config_mirror_begin() */
	uint32_t shared_config_seq; /* of what was adopted or published last; core->lock */
	_Atomic bool powered;	    /* the model has its private state; dev->lock for writing */

	unsigned int msix_bar; /* PCI_NUM_BARS: none */
	uint32_t msix_table_off, msix_pba_off;

	struct pci_sriov sriov;		    /* what dev->sriov points to */
	unsigned int driver_max_vfs;	    /* total_vfs but while a driver has fewer; core->lock */
	struct pci_vf_state *vfs, *own_vfs; /* of a PF; own_vfs: while nothing is shared */
	uint16_t ari_cap, sriov_ari;	    /* sriov_ari: PCI_SRIOV_CTRL_ARI, as the host set it */
	uint64_t vf_bar_addr[PCI_NUM_BARS]; /* bus addresses of the VFs' apertures */

	/* notify.c */
	bool has_notify;
	pthread_t notify_thread;
	_Atomic bool notify_stop;

	/* thread.c */
	bool has_thread;
	pthread_t thread;
	sem_t wake;
	_Atomic bool kicked, stop;
};

static inline void pci_put_byte(struct pci_dev *dev, unsigned int off, uint8_t value)
{
	__atomic_store_n(&dev->config[off], value, __ATOMIC_RELAXED);
}

/* dev.c */
uint64_t pci_mem_load(const volatile void *p, unsigned int width);
void pci_mem_store(volatile void *p, unsigned int width, uint64_t value);
void pci_config_changed(struct pci_dev *dev, unsigned int off, unsigned int len);
int pci_add_hook(struct pci_dev *dev, unsigned int off, unsigned int len,
		 void (*fn)(struct pci_dev *dev));

/* config.c */
void pci_command_written(struct pci_dev *dev);
/* Applies the current config bytes to everything that depends on them. dev->lock held. */
void pci_apply_config(struct pci_dev *dev);

/* reset.c; dev->lock held. */
void pci_reset_locked(struct pci_dev *dev);

/* shared.c: the opposite of pci_config_publish(): before a read. */
void pci_config_adopt(struct pci_dev *dev);
/* Whether some process of the session uses the function. */
bool pci_in_use(struct pci_dev *dev);
/* The process that uses the function shows its registers to the others. dev->lock or irqs->lock. */
void pci_config_mirror(struct pci_dev *dev, unsigned int off, unsigned int len);
void pci_config_mirror_begin(struct pci_dev *dev);
void pci_config_mirror_end(struct pci_dev *dev);
/* The registers as the session sees them now: another process's while that uses the function. */
void pci_config_snapshot(struct pci_dev *dev, uint8_t config[PCI_CFG_EXT_SIZE]);
/* reset.c: pci_restore_state() for the bytes that no capability claims as well, and without waking
 * the function up. */
void pci_restore_all(struct pci_dev *dev, const uint8_t saved[PCI_CFG_EXT_SIZE]);

/* aer.c: errors survive a reset (PCI Express Base 3.0, 7.4: sticky bits). */
void pci_aer_save(const struct pci_dev *dev, uint8_t *regs);
void pci_aer_restore(struct pci_dev *dev, const uint8_t *regs);
void pci_aer_clear_status(struct pci_dev *dev);
#define PCI_AER_SIZE 0x48

/* sriov.c; dev->lock held. The registers say what the session's processes agree on. */
void pci_sriov_follow(struct pci_dev *dev);
/* The same as the host's restore does it: what it had set before a reset. */
void pci_sriov_restore(struct pci_dev *dev);
/* The function is being reset: its VFs are, too. */
void pci_sriov_reset(struct pci_dev *dev);
/* Where the state is from now on. @fresh: nobody has used it yet. */
void pci_sriov_share(struct pci_dev *dev, struct pci_vf_state *state, bool fresh);
/* sriov_host.c: what firmware and the host's bus scan do to a PF before it is on the bus. */
void pci_sriov_init(struct pci_dev *dev, struct pci_dev *port);
/* Whether memory cycles reach a VF: its PF's VF Enable and VF MSE. */
bool pci_vf_decodes(const struct pci_dev *vf);
/* Bits of SR-IOV Control. */
#define PCI_SRIOV_CTRL_ON (PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE)

/* notify.c: the function is in use from here to there. Without dev->lock. */
int pci_notify_start(struct pci_dev *dev);
void pci_notify_stop(struct pci_dev *dev);

/* thread.c */
int pci_thread_start(struct pci_dev *dev);
void pci_thread_stop(struct pci_dev *dev);
/* Between two holds of dev->lock on a thread of the function: what its DMA left to do is done, and
 * who waits for the lock gets it, since a mutex taken again at once starves sleepers. */
void pci_thread_unlocked(struct pci_dev *dev);

/* deferred.c: forgets what was queued for @dev. */
void pci_forget_deferred(struct pci_dev *dev);

/* What the host gave out for a vector. */
struct pci_vector {
	struct pci_dev *dev;
	struct irq_trigger *trigger; /* NULL: nobody takes it */
	int irq;		     /* 0: nothing was given out, and the rest is nothing */
	uint32_t entry;		     /* in the remapping table, or INTR_NO_ENTRY */
	uint32_t dest;		     /* the host's CPU and its vector */
	uint8_t apic_vector;
	bool posted;
	struct irq_post_target target; /* while posted */
};

/*
 * Interrupt state. irqs->lock is a leaf; it also guards COMMAND.INTX_DISABLE and STATUS.INTERRUPT,
 * the two config bits that change without dev->lock, and the MSI-X table and PBA in BAR memory.
 */
struct pci_irqs {
	pthread_mutex_t lock;
	enum pci_irq_type mode;
	bool master;		 /* messages are memory writes: COMMAND.BUS_MASTER and D0 */
	unsigned int msi_count;	 /* messages enabled */
	struct intr_msg msi_msg; /* as the capability has it */
	bool msix_masked;	 /* function mask */
	unsigned int msi_vectors, msix_vectors;
	struct pci_vector *msi, *msix;
	volatile uint32_t *msix_table; /* in BAR memory; NULL: powered off */
	volatile uint64_t *msix_pba;
	bool intx_level;    /* what the model asks for */
	bool intx_asserted; /* what leaves the function */
	void (*intx_fn)(void *arg);
	void *intx_arg;
};

#define MSIX_ENTRY_WORDS (PCI_MSIX_ENTRY_SIZE / 4)

/* intx.c, irqs->lock held: recomputes STATUS.INTERRUPT and the pin. */
void pci_intx_update(struct pci_dev *dev);
/* msi.c */
int pci_irqs_create(struct pci_dev *dev);
void pci_irqs_destroy(struct pci_dev *dev);
int pci_irqs_set_msix(struct pci_dev *dev, unsigned int vectors);
void pci_irqs_power_on(struct pci_dev *dev);
void pci_irqs_power_off(struct pci_dev *dev);
void pci_irqs_reset(struct pci_dev *dev);
/* After a restore: the host's messages are written and unmasked again. */
void pci_irqs_restore(struct pci_dev *dev);
/* vector.c, without irqs->lock: numbers, entries and vectors of slots [@first, @first + @count),
 * @together: as one run. */
int pci_vectors_give(struct pci_dev *dev, struct pci_vector *slots, unsigned int first,
		     unsigned int count, bool together);
void pci_vectors_give_back(struct pci_dev *dev, struct pci_vector *slots, unsigned int count);
/* vector.c, irqs->lock held. @keep: the entry stays present without a trigger. */
void pci_vector_connect(struct pci_dev *dev, struct pci_vector *slot, struct irq_trigger *trigger,
			bool keep);
struct intr_msg pci_vector_msg(const struct pci_dev *dev, const struct pci_vector *slot);
void pci_msg_send(struct pci_dev *dev, uint64_t addr, uint32_t data, unsigned int vector);
void pci_msg_pending(struct pci_dev *dev, unsigned int vector);
/* vector.c: messages that the function writes by DMA are taken, or not. No DMA is running. */
void pci_msg_listen(struct pci_dev *dev, bool on);
/* msi.c, irqs->lock held. */
void pci_msi_raise(struct pci_dev *dev, unsigned int vector);
void pci_msi_flush(struct pci_dev *dev);
void pci_msi_program(struct pci_dev *dev, unsigned int vectors);
/* msix.c, irqs->lock held. */
void pci_msix_raise(struct pci_dev *dev, unsigned int vector);
void pci_msix_flush(struct pci_dev *dev);
void pci_msix_program(struct pci_dev *dev, unsigned int vector, bool unmask);
void pci_msix_table_reset(struct pci_dev *dev);
/* True when [@off, @off + @width) lies in the table's or the PBA's pages. */
bool pci_msix_covers(const struct pci_dev *dev, unsigned int bar, uint64_t off);
uint64_t pci_msix_read(struct pci_dev *dev, uint64_t off, unsigned int width);
void pci_msix_write(struct pci_dev *dev, uint64_t off, unsigned int width, uint64_t value);

#endif
