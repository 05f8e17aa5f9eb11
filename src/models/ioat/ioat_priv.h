/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's state, and what the files of this folder offer each other.
 *
 * All state belongs to this process. struct ioat and its channels are the truth; BAR memory holds a
 * copy of the registers for the program's loads (ioat_publish_*()), and takes the program's stores
 * while the page is open (doorbell.c).
 *
 * Locks: dev->lock guards everything here. No function allocates once power_on has returned, since
 * all of them may run in a trap.
 */
#ifndef MODELS_IOAT_IOAT_PRIV_H
#define MODELS_IOAT_IOAT_PRIV_H

#include <errno.h>

#include "iommu/dma.h"
#include "models/ioat/regs.h"
#include "pci/doorbell.h"
#include "pci/model.h"
#include "pci/pci.h"

#define IOAT_MAX_CHANS	8
#define IOAT_XFERCAP	20 /* 1 MiB, log2 */
#define IOAT_BAR_SIZE	0x4000
#define IOAT_MSIX_TABLE 0x2000
#define IOAT_MSIX_PBA	0x3000
#define IOAT_PAGE	4096u /* what page breaks count in */

/* What one doorbell write may run in its caller, and one piece of the thread's work (D4a). */
#define IOAT_INLINE_DESCS 64
#define IOAT_INLINE_BYTES (256u << 10)

struct ioat_chan {
	unsigned int index;
	enum ioat_state state;
	uint16_t ctrl;
	uint16_t count; /* DMACOUNT */
	uint16_t done;	/* descriptors completed since CHAINADDR was written */
	bool cmp_set;	/* CHANCMP was written */
	bool int_pending;
	uint32_t err, errmsk, dcactrl;
	uint64_t chainaddr, cmp;
	uint64_t completed;  /* address of the last descriptor that completed; 0: none */
	uint64_t next;	     /* address of the next one */
	uint16_t ctrl_shown; /* CHANCTRL as published last */

	/* The descriptor that is being executed. */
	bool busy;
	bool skip; /* it has a masked error: nothing is moved */
	uint64_t addr;
	uint32_t off; /* bytes moved */
	struct ioat_desc desc;
};

struct ioat {
	struct pci_dev *dev;
	/* Set once by create(). */
	unsigned int chans;
	enum pci_doorbell_mode doorbell_mode;

	uint8_t *regs; /* BAR memory; NULL: powered off */
	uint8_t genctrl, intrctrl;
	uint8_t intrctrl_shown; /* as published last */
	uint32_t attention;
	bool intx;		/* the pin's level */
	bool kick;		/* the thread has to be woken at the end of this run */
	unsigned int next_chan; /* where the next round robin begins */

	/* doorbell.c */
	bool native;	     /* BAR memory may hold stores that nobody looked at */
	bool close;	     /* the page must be closed at the end of this run */
	unsigned int counts; /* stores to DMACOUNT in a row */

	struct ioat_chan chan[IOAT_MAX_CHANS];
	uint8_t pattern[IOAT_PAGE]; /* a fill's, repeated */
};

/* One visit to the channels: what it may still do. */
struct ioat_run {
	unsigned int descs;
	size_t bytes;
};

static inline struct ioat *ioat_dev(struct pci_dev *dev)
{
	return dev->priv;
}

static inline uint32_t ioat_chan_base(const struct ioat_chan *ch)
{
	return IOAT_REG_CHAN * (ch->index + 1);
}

/* Descriptors that DMACOUNT allows and that are not done. */
static inline uint16_t ioat_pending(const struct ioat_chan *ch)
{
	return (uint16_t)(ch->count - ch->done);
}

/* ---- regs.c: the register file -------------------------------------------------------------- */
void ioat_regs_init(struct ioat *d);
uint64_t ioat_reg_read(struct ioat *d, uint32_t off, unsigned int width);
/* Stores of any width; channels that may run afterwards do so within the inline budget. */
void ioat_reg_write(struct ioat *d, uint32_t off, unsigned int width, uint64_t value);
/* The bytes in @mask of one register of the channel were written. Runs nothing. */
void ioat_chan_write(struct ioat *d, struct ioat_chan *ch, enum ioat_chan_reg reg, uint64_t value,
		     uint64_t mask);
void ioat_intrctrl_write(struct ioat *d, uint8_t value);
void ioat_publish_sts(struct ioat *d, const struct ioat_chan *ch);
void ioat_publish_ctrl(struct ioat *d, struct ioat_chan *ch);
void ioat_publish_err(struct ioat *d, const struct ioat_chan *ch);
void ioat_publish_intr(struct ioat *d);
/* Everything, over whatever BAR memory holds. */
void ioat_publish_all(struct ioat *d);
/* Whether the program's loads have effects now; the page's access follows. */
void ioat_update_access(struct ioat *d);

/* ---- chan.c: a channel's states ------------------------------------------------------------- */
/* Function level reset. */
void ioat_chans_init(struct ioat *d);
void ioat_chan_command(struct ioat *d, struct ioat_chan *ch, uint8_t cmd);
void ioat_chan_chain(struct ioat *d, struct ioat_chan *ch, uint64_t addr);
void ioat_chan_count(struct ioat *d, struct ioat_chan *ch, uint16_t count);
/* Records errors and halts the channel. */
void ioat_chan_halt(struct ioat *d, struct ioat_chan *ch, uint32_t err);
/* The same, unless CHANERRMSK has them all: then they are only recorded. True: halted. */
bool ioat_chan_error(struct ioat *d, struct ioat_chan *ch, uint32_t err);
void ioat_run_begin(struct ioat_run *run);
/* Runs a channel as far as @run allows; true when it could go on. */
bool ioat_run_chan(struct ioat *d, struct ioat_chan *ch, struct ioat_run *run);
/* All channels in turn; true when there is more. */
bool ioat_run_all(struct ioat *d, struct ioat_run *run);
/* Wakes the thread when a run left work, closes the page when it has to be. */
void ioat_run_end(struct ioat *d);

/* ---- desc.c: descriptors -------------------------------------------------------------------- */
/* Reads and checks the next descriptor; false: the channel is halted. */
bool ioat_desc_fetch(struct ioat *d, struct ioat_chan *ch);
/* Moves at most @run->bytes of it. True: it is over, with or without a masked error; false: there
 * is more, or the channel is halted. */
bool ioat_desc_move(struct ioat *d, struct ioat_chan *ch, struct ioat_run *run);

/* ---- intr.c --------------------------------------------------------------------------------- */
void ioat_interrupt(struct ioat *d, struct ioat_chan *ch);
/* CHANCTRL.INT_DISABLE was cleared. */
void ioat_interrupt_rearm(struct ioat *d, struct ioat_chan *ch);
/* INTRCTRL or ATTNSTATUS changed: the pin and the message of the legacy modes follow. */
void ioat_interrupt_update(struct ioat *d);

/* ---- doorbell.c: while the page is open ----------------------------------------------------- */
/* What is added to registers in BAR memory while the page is open. */
#define IOAT_MARK_CTRL	BIT(1)
#define IOAT_MARK_CHAIN BIT(0)
/* A trapped store took effect; @count: it was one to DMACOUNT alone. */
void ioat_doorbell_trapped(struct ioat *d, bool count);
/* Looks for native stores; true when there were any. Runs nothing. */
bool ioat_doorbell_collect(struct ioat *d);
/* Closes the page; native stores take effect first. */
void ioat_doorbell_close(struct ioat *d);

#endif
