/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's state, and what the files of this folder offer each other.
 *
 * State is split (design D2a): struct nvme_shared belongs to the session and holds no pointer;
 * struct nvme_ctrl belongs to this process, which runs only the queues that it made.
 *
 * Locks: dev->lock guards struct nvme_ctrl. In struct nvme_shared, atomics stand alone and the
 * error log is under pci_shared_lock(). No function here allocates once power_on has returned,
 * since all of them may run in a trap.
 */
#ifndef MODELS_NVME_NVME_PRIV_H
#define MODELS_NVME_NVME_PRIV_H

#include <errno.h>
#include <stdatomic.h>

#include "iommu/dma.h"
#include "models/nvme/backing.h"
#include "models/nvme/regs.h"
#include "models/nvme/slice.h"
#include "pci/doorbell.h"
#include "pci/model.h"
#include "pci/pci.h"

#define NVME_MAX_PAIRS	 64		      /* I/O queue pairs */
#define NVME_QUEUES	 (NVME_MAX_PAIRS + 1) /* with the admin queues, which have number 0 */
#define NVME_MAX_NS	 128
#define NVME_MAX_VFS	 64
#define NVME_VF_RES	 9  /* queue pairs, with the admin queue, and interrupts of a VF at most */
#define NVME_ERROR_LOG	 64 /* entries */
#define NVME_AERS	 4  /* Asynchronous Event Requests held at once */
#define NVME_MQES	 2047 /* 0's based */
#define NVME_BAR_SIZE	 0x4000
#define NVME_MSIX_TABLE	 0x2000
#define NVME_MSIX_PBA	 0x3000
#define NVME_MPSMAX	 4 /* 64 KiB */
#define NVME_MDTS	 7 /* 512 KiB */
#define NVME_MDTS_BYTES	 (4096u << NVME_MDTS)
#define NVME_FETCH	 16   /* submission queue entries fetched at once */
#define NVME_SEGMENTS	 1024 /* pieces of one command's data buffer */
#define NVME_TEMPERATURE 308  /* kelvin */
#define NVME_WCTEMP	 343
#define NVME_CCTEMP	 373
#define NVME_TIMEOUT	 20 /* CAP.TO: 500 ms each */

/* What one doorbell write may run in its caller (design D4a). */
#define NVME_INLINE_CMDS  64
#define NVME_INLINE_BYTES (256u << 10)

/* No completion now: the command waits (an event request), or its queue is gone. */
#define NVME_NO_COMPLETION 0xffff

/* The index in nvme_lba_shift[] that Identify Namespace's LBAF list has too. */
#define NVME_LBA_FORMATS 2
extern const uint8_t nvme_lba_shift[NVME_LBA_FORMATS];

/* 8.5: virtual queue pairs and virtual interrupts. */
enum nvme_resource { NVME_RES_VQ, NVME_RES_VI, NVME_RES_TYPES };

/* A secondary controller, as its primary one has set it up. */
struct nvme_secondary {
	uint16_t online, res[NVME_RES_TYPES];
	uint16_t changes; /* how often it went online or offline: each time is a reset */
};

extern const struct pci_model nvme_vf_model, nvme_slice_model;

struct nvme_shared {
	_Atomic uint64_t units_read, units_written; /* of 512 bytes */
	_Atomic uint64_t host_reads, host_writes;
	_Atomic uint64_t power_cycles, unsafe_shutdowns, media_errors;
	_Atomic uint64_t power_on_time;		 /* CLOCK_REALTIME, seconds */
	_Atomic uint8_t lba_format[NVME_MAX_NS]; /* by NSID - 1 */
	/* pci_shared_lock(): */
	struct nvme_secondary secondary[NVME_MAX_VFS]; /* by VF */
	/* Flexible resources of the primary controller, and from its next reset on. */
	uint16_t primary[NVME_RES_TYPES], primary_next[NVME_RES_TYPES];
	uint64_t error_count;
	struct nvme_error_entry errors[NVME_ERROR_LOG]; /* entry n at (error_count - n) % size */
};

struct nvme_ns {
	uint64_t off, size; /* in the medium, bytes */
};

struct nvme_cq {
	bool live, ien, asserted;
	uint8_t phase;
	uint16_t vector;
	unsigned int sqs;      /* submission queues that complete here */
	unsigned int reserved; /* entries for the commands of busy ones among them */
	uint32_t size, head, tail;
	uint32_t db; /* the doorbell register as last seen */
	iova_t base;
};

struct nvme_sq {
	bool live;
	bool parked; /* the next command waits for the device's thread */
	bool busy;   /* a command is being executed with dev->lock dropped */
	uint16_t id, cqid, busy_cid;
	uint32_t gen; /* changes whenever the queue is made or ends */
	uint32_t size, head, tail;
	uint32_t db;
	iova_t base;
};

struct nvme_features {
	uint32_t arbitration, power, temp_over, temp_under, write_cache, coalescing;
	uint32_t write_atomicity, async_event;
	uint16_t nsq, ncq; /* I/O queues allocated */
	bool vector_no_coalescing[NVME_QUEUES];
	uint16_t error_recovery[NVME_MAX_NS];
	uint64_t timestamp, timestamp_set; /* ms; when it was set, CLOCK_MONOTONIC */
	bool timestamp_by_host;
};

struct nvme_events {
	uint16_t cid[NVME_AERS]; /* requests held, oldest first */
	unsigned int requests;
	uint32_t pending[NVME_EVENT_TYPES]; /* bit: event information */
	bool masked[NVME_EVENT_TYPES];	    /* reported, log page not read yet */
	bool ns_changed[NVME_MAX_NS];	    /* the changed namespace list */
};

/* A piece of a command's data buffer; nothing moves to a discarded piece (SGL bit bucket). */
struct nvme_segment {
	iova_t iova;
	uint32_t len;
	bool discard;
};

struct nvme_ctrl {
	struct pci_dev *dev;
	/* Set once by create(). */
	unsigned int private_pairs, namespaces;
	unsigned int pairs, vectors; /* with SR-IOV: since the last reset (virt.c) */
	bool offline;		     /* a secondary controller that is not online */
	uint16_t virt_changes;	     /* nvme_secondary.changes that it has followed */
	uint8_t first_format;	     /* of namespaces in a new session */
	enum pci_doorbell_mode doorbell_mode;
	uint64_t bandwidth; /* of all slices together, bytes a second; 0: no limit */
	char serial[21];
	/* Of a slice (slice.c): the UUID that it was made with, who says when it may go on. */
	bool slice;
	uint8_t uuid[16];
	struct nvme_gate gate;
	struct nvme_backing backing;
	struct nvme_ns ns[NVME_MAX_NS];

	uint8_t *regs;	    /* BAR memory; NULL: powered off */
	uint32_t page_size; /* of CC.MPS */
	bool ready, fatal;  /* CSTS.RDY, CSTS.CFS */
	bool shutdown_sync; /* a shutdown waits for the thread */
	bool medium_told;   /* that the medium failed was said */
	bool kick;	    /* the thread has to be woken at the end of this run */
	uint64_t gate_wait; /* ns that the thread sleeps before it goes on */
	uint32_t gen;	    /* changes with every controller reset */
	uint32_t intms;
	bool intx; /* the pin's level */
	unsigned int cqs_asserted;
	unsigned int last_queue; /* highest number in use */
	unsigned int next_queue; /* where the next round robin begins */
	uint64_t notify[2];	 /* bit: completion queue that got entries in this run */
	struct nvme_cq cq[NVME_QUEUES];
	struct nvme_sq sq[NVME_QUEUES];
	struct nvme_features feat;
	struct nvme_events events;

	/* Scratch of the command that runs. */
	unsigned int n_segments;
	struct nvme_segment segments[NVME_SEGMENTS];
	struct nvme_sqe fetched[NVME_FETCH];
	uint8_t list[4096]; /* PRP list or SGL segment */
	uint8_t page[4096], page2[4096];
};

/* One visit to the queues: what it may still do and what it did. */
struct nvme_run {
	unsigned int cmds; /* left */
	size_t bytes;	   /* left */
	bool may_block;	   /* on the device's thread, in work() */
	bool dropped;	   /* dev->lock was given away meanwhile */
	bool entered;	   /* the gate knows of this visit */
	bool held;	   /* I/O queues wait for the gate */
	uint64_t units_read, units_written, reads, writes;
};

struct nvme_req {
	const struct nvme_sqe *cmd;
	struct nvme_sq *sq;
	struct nvme_run *run;
	uint64_t lba;	 /* for the error log */
	uint32_t result; /* dword 0 of the completion */
};

/* A handler returns an enum nvme_status or NVME_NO_COMPLETION. */
typedef uint16_t (*nvme_handler)(struct nvme_ctrl *c, struct nvme_req *req);

static inline struct nvme_ctrl *nvme_ctrl(struct pci_dev *dev)
{
	return dev->priv;
}

/* The function whose state is the card's: a VF's PF. */
static inline struct pci_dev *nvme_card(const struct nvme_ctrl *c)
{
	return c->dev->physfn ? c->dev->physfn : c->dev;
}

static inline struct nvme_shared *nvme_shared(struct nvme_ctrl *c)
{
	return nvme_card(c)->shared;
}

/* A number for each controller of the card. */
static inline uint16_t nvme_ctrl_id(const struct nvme_ctrl *c)
{
	return (uint16_t)(c->dev->physfn ? c->dev->vf_index + 1 : 0);
}

/* DMA of the function: 0 or -EIO. Without an IOMMU in front of it there is no way to memory. */
static inline int nvme_dma_read(const struct nvme_ctrl *c, iova_t iova, void *buf, size_t len)
{
	return likely(c->dev->iommu) ? dma_read(c->dev->iommu, iova, buf, len) : -EIO;
}

static inline int nvme_dma_write(const struct nvme_ctrl *c, iova_t iova, const void *buf,
				 size_t len)
{
	return likely(c->dev->iommu) ? dma_write(c->dev->iommu, iova, buf, len) : -EIO;
}

static inline int nvme_dma_zero(const struct nvme_ctrl *c, iova_t iova, size_t len)
{
	return likely(c->dev->iommu) ? dma_zero(c->dev->iommu, iova, len) : -EIO;
}

static inline uint8_t nvme_ns_format(struct nvme_ctrl *c, uint32_t nsid)
{
	return atomic_load_explicit(&nvme_shared(c)->lba_format[nsid - 1], memory_order_relaxed);
}

static inline unsigned int nvme_ns_shift(struct nvme_ctrl *c, uint32_t nsid)
{
	return nvme_lba_shift[nvme_ns_format(c, nsid) % NVME_LBA_FORMATS];
}

static inline bool nvme_nsid_valid(const struct nvme_ctrl *c, uint32_t nsid)
{
	return nsid >= 1 && nsid <= c->namespaces;
}

/* ---- nvme.c: identity, BAR and capabilities of a function that is no VF ---------------------- */
int nvme_add_function(struct pci_dev *dev, unsigned int vectors, unsigned int msi);

/* ---- ctrl.c: the register file -------------------------------------------------------------- */
void nvme_reg_write(struct nvme_ctrl *c, uint32_t off, uint32_t value);
void nvme_regs_init(struct nvme_ctrl *c);
/* Controller level reset (7.3.2) as far as it is not the register file's. */
void nvme_ctrl_reset(struct nvme_ctrl *c);
/* CSTS.CFS: nothing runs any more until a reset. */
void nvme_fatal(struct nvme_ctrl *c);
/* The rest of a shutdown, on the device's thread. */
void nvme_shutdown_finish(struct nvme_ctrl *c);

/* ---- options.c ------------------------------------------------------------------------------ */
extern const struct model_option nvme_options[];
void nvme_sriov(const struct model_config *config, struct pci_sriov *out);
int nvme_parse(struct nvme_ctrl *c, const struct model_config *config, unsigned int *msi, char *err,
	       size_t err_size);

/* ---- queue.c -------------------------------------------------------------------------------- */
void nvme_cq_init(struct nvme_ctrl *c, unsigned int id, iova_t base, uint32_t size, bool ien,
		  uint16_t vector);
void nvme_sq_init(struct nvme_ctrl *c, unsigned int id, iova_t base, uint32_t size, uint16_t cqid);
void nvme_cq_end(struct nvme_ctrl *c, unsigned int id);
/* Ends the queue; a command that is being executed completes as aborted when @abort. */
void nvme_sq_end(struct nvme_ctrl *c, unsigned int id, bool abort);
void nvme_queues_end(struct nvme_ctrl *c);
uint32_t nvme_cq_space(const struct nvme_cq *cq);
/* Posts a completion. There must be space. */
void nvme_complete(struct nvme_ctrl *c, struct nvme_sq *sq, uint16_t cid, uint16_t status,
		   uint32_t result);
void nvme_run_begin(struct nvme_run *run, bool may_block);
/* Runs one queue as far as @run allows; true when it could go on. */
bool nvme_run_sq(struct nvme_ctrl *c, struct nvme_sq *sq, struct nvme_run *run);
/* Runs all queues in turn; true when there is more. */
bool nvme_run_all(struct nvme_ctrl *c, struct nvme_run *run);
/* Counters, interrupts, and the thread's wake-up. */
void nvme_run_end(struct nvme_ctrl *c, struct nvme_run *run);
/* Calls backing's sync with dev->lock dropped; false when the queue is gone afterwards. */
bool nvme_sync_dropped(struct nvme_ctrl *c, struct nvme_req *req, uint64_t off, uint64_t len,
		       bool *ok);

/* ---- slice.c: what the gate says ------------------------------------------------------------ */
/* Whether the I/O command may run now; if not, the rest of the visit's I/O is held back. */
bool nvme_gate_admit(struct nvme_ctrl *c, const struct nvme_sqe *cmd, struct nvme_run *run);
void nvme_gate_leave(struct nvme_ctrl *c, const struct nvme_run *run);
/* On the device's thread: sleeps as long as the gate said, with dev->lock dropped. */
void nvme_gate_sleep(struct nvme_ctrl *c);

/* ---- doorbell.c ----------------------------------------------------------------------------- */
/* A trapped write to the doorbell page; the value is in BAR memory already. */
void nvme_doorbell_write(struct nvme_ctrl *c, uint32_t off);
bool nvme_doorbell_poll(struct nvme_ctrl *c);
/* Clears a queue's registers. */
void nvme_doorbell_clear(struct nvme_ctrl *c, unsigned int id, bool cq);

/* ---- intr.c --------------------------------------------------------------------------------- */
void nvme_intr_update(struct nvme_ctrl *c, struct nvme_cq *cq);
/* Signals the completion queues in c->notify. */
void nvme_intr_notify(struct nvme_ctrl *c);
void nvme_intr_mask(struct nvme_ctrl *c, uint32_t mask);

/* ---- data.c --------------------------------------------------------------------------------- */
/* Resolves PRPs or SGLs of @len bytes into c->segments; @to_host: a bit bucket takes data. */
uint16_t nvme_data_map(struct nvme_ctrl *c, const struct nvme_sqe *cmd, uint32_t len, bool to_host);
/* Move the whole buffer that was mapped; @buf NULL: zeroes. */
uint16_t nvme_data_to_host(struct nvme_ctrl *c, const void *buf);
uint16_t nvme_data_from_host(struct nvme_ctrl *c, void *buf);
/* Both steps. */
uint16_t nvme_data_put(struct nvme_ctrl *c, const struct nvme_sqe *cmd, const void *buf,
		       uint32_t len);
uint16_t nvme_data_get(struct nvme_ctrl *c, const struct nvme_sqe *cmd, void *buf, uint32_t len);

/* ---- commands ------------------------------------------------------------------------------- */
uint16_t nvme_admin(struct nvme_ctrl *c, struct nvme_req *req); /* admin.c */
bool nvme_admin_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd);
bool nvme_admin_supported(const struct nvme_ctrl *c, uint8_t opcode);
uint16_t nvme_io(struct nvme_ctrl *c, struct nvme_req *req); /* io.c */
bool nvme_io_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd);
bool nvme_io_supported(uint8_t opcode);
/* What the command moves, in bytes, as the gate counts it. */
uint64_t nvme_io_cost(struct nvme_ctrl *c, const struct nvme_sqe *cmd);
uint16_t nvme_identify(struct nvme_ctrl *c, struct nvme_req *req);     /* identify.c */
uint16_t nvme_get_features(struct nvme_ctrl *c, struct nvme_req *req); /* features.c */
uint16_t nvme_set_features(struct nvme_ctrl *c, struct nvme_req *req);
void nvme_features_reset(struct nvme_ctrl *c);
uint16_t nvme_get_log(struct nvme_ctrl *c, struct nvme_req *req);   /* log.c */
uint16_t nvme_format(struct nvme_ctrl *c, struct nvme_req *req);    /* format.c */
uint16_t nvme_create_cq(struct nvme_ctrl *c, struct nvme_req *req); /* admin_queue.c */
uint16_t nvme_create_sq(struct nvme_ctrl *c, struct nvme_req *req);
uint16_t nvme_delete_cq(struct nvme_ctrl *c, struct nvme_req *req);
uint16_t nvme_delete_sq(struct nvme_ctrl *c, struct nvme_req *req);

/* ---- virt.c: primary and secondary controllers ---------------------------------------------- */
/* What the controller has from now on: at each reset. */
void nvme_virt_apply(struct nvme_ctrl *c);
void nvme_virt_notified(struct pci_dev *dev);
void nvme_virt_vfs_changed(struct pci_dev *dev, unsigned int num);
uint16_t nvme_virt_management(struct nvme_ctrl *c, struct nvme_req *req);
uint16_t nvme_identify_primary(struct nvme_ctrl *c, struct nvme_req *req);
uint16_t nvme_identify_secondary(struct nvme_ctrl *c, struct nvme_req *req);

/* ---- smart.c: the log pages with a memory --------------------------------------------------- */
/* Adds an entry to the error log. @sqid and @cid 0xffff: not of a command. */
void nvme_error_add(struct nvme_ctrl *c, uint16_t sqid, uint16_t cid, uint16_t status,
		    uint32_t nsid, uint64_t lba);
/* Newest first, at most @max; returns how many. */
unsigned int nvme_error_read(struct nvme_ctrl *c, struct nvme_error_entry *entries,
			     unsigned int max);
void nvme_smart_fill(struct nvme_ctrl *c, struct nvme_smart_log *log);
uint8_t nvme_critical_warning(const struct nvme_ctrl *c);

/* ---- event.c: asynchronous events ----------------------------------------------------------- */
uint16_t nvme_async_event(struct nvme_ctrl *c, struct nvme_req *req);
/* True when the event request @cid was held and has been completed as aborted. */
bool nvme_event_abort(struct nvme_ctrl *c, uint16_t cid);
bool nvme_event_holds(const struct nvme_ctrl *c, uint16_t cid);
void nvme_event_raise(struct nvme_ctrl *c, enum nvme_event_type type, unsigned int info);
/* The log page of @type was read. */
void nvme_event_unmask(struct nvme_ctrl *c, enum nvme_event_type type);
/* Completes held requests with pending events, as far as the admin queue has space. */
void nvme_event_deliver(struct nvme_ctrl *c);
/* Compares the temperature with the thresholds. */
void nvme_event_temperature(struct nvme_ctrl *c);

#endif
