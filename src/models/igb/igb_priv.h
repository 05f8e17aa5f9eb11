/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's state, and what the files of this folder offer each other.
 *
 * Shared state (struct igb_shared): the physical function's register file but for its queues and
 * its interrupts, since filters, switch and statistics serve all functions of the card, whichever
 * process has them open (design D2a). Words are read and written whole; counters are added to
 * atomically. What changes several words at once (a mailbox, a reset) holds igb_lock().
 *
 * Private state (struct igb_fn): queues and interrupts of one function in the process that uses it.
 * The tail registers, and the other registers of queues, are also in BAR memory: the program writes
 * them there natively while the pages are open (doorbell.c).
 *
 * Locks: dev->lock guards struct igb_fn. No function allocates once power_on has returned, since
 * all of them may run in a trap.
 */
#ifndef MODELS_IGB_IGB_PRIV_H
#define MODELS_IGB_IGB_PRIV_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "iommu/dma.h"
#include "models/igb/igb.h"
#include "models/igb/regs.h"
#include "net/port.h"
#include "pci/doorbell.h"
#include "pci/model.h"
#include "pci/msi.h"
#include "pci/pci.h"

#define IGB_BAR_SIZE   0x20000
#define IGB_FLASH_SIZE 0x20000
#define IGB_IO_SIZE    0x20
#define IGB_MSIX_BAR   3
#define IGB_MSIX_SIZE  0x4000
#define IGB_MSIX_PBA   0x2000
#define IGBVF_BAR_SIZE 0x4000

#define IGB_QUEUES    16
#define IGB_POOLS     8
#define IGB_VFS	      8
#define IGB_VF_QUEUES 2
#define IGB_VECTORS   25
#define IGBVF_VECTORS 3
#define IGB_RARS      24
#define IGB_VLVFS     32
#define IGB_PHY_REGS  32
#define IGB_NVM_WORDS 256

/* What one doorbell write may run in its caller, and one piece of the thread's work (D4a). */
#define IGB_INLINE_FRAMES 64
#define IGB_INLINE_BYTES  (256u << 10)
/* Of one packet, which is gathered anew for the next piece: more than a driver asks for. */
#define IGB_INLINE_SEGMENTS 256

/* The largest packet that one TSO descriptor chain describes: PAYLEN has 18 bits (7.2.2.3.11), and
 * headers. */
#define IGB_PACKET_MAX ((256u << 10) + 1024)
#define IGB_FETCH      32 /* descriptors read ahead at once */

/* Registers below this are words of the shared file. */
#define IGB_SHARED_REGS 0xc000u

struct igb_vf_stats {
	uint32_t gprc, gptc, mprc, gprlbc, gptlbc, gorc, gotc, gorlbc, gotlbc;
};

struct igb_shared {
	uint32_t reg[IGB_SHARED_REGS / 4];
	uint16_t phy[IGB_PHY_REGS];
	uint16_t phy_page;
	uint16_t nvm[IGB_NVM_WORDS];
	bool link;	       /* the cable's other end is there */
	bool link_known;       /* the interrupt about it was made */
	uint32_t causes;       /* bits of ICR that other processes set for the PF */
	uint32_t num_vfs;      /* that exist now */
	uint32_t v2p[IGB_VFS]; /* mailbox state of each VF, IGB_V2P_* */
	uint32_t vf_events;    /* VFs whose mailbox interrupt is due */
	struct igb_vf_stats vf[IGB_VFS];
	_Alignas(64) uint8_t driver[IGB_PF_DRIVER_STATE];
};

/* A queue as its registers say; the descriptors read ahead. */
struct igb_queue {
	unsigned int hw;    /* its number in the controller */
	unsigned int index; /* and in the function */
	bool tx;
	bool enabled;	      /* DCTL.ENABLE and, for the PF, TCTL.EN or RCTL.RXEN */
	bool halted;	      /* a DMA failed: until it is enabled again */
	bool paused;	      /* transmit: the port refused a frame */
	bool cause;	      /* descriptors were written back, the interrupt is due */
	unsigned int segment; /* transmit: segments of the packet at the head that have left */
	uint32_t bal, bah, len, srrctl, dctl, wbal, wbah, dca, rqdpc;
	uint32_t head, tail, count;   /* in descriptors */
	uint32_t fetched_at, fetched; /* descriptors in `ahead`, from index fetched_at */
	struct igb_desc ahead[IGB_FETCH];
	struct igb_desc ctx[2]; /* transmit contexts (7.2.2.2) */
};

struct igb_intr {
	uint32_t icr, ims, iam;
	uint32_t eicr, eims, eiac, eiam, gpie;
	uint32_t ivar[8], ivar_misc;
	uint32_t eitr[IGB_VECTORS];
	uint64_t next[IGB_VECTORS]; /* CLOCK_MONOTONIC ns before which EITR holds a vector back */
	uint32_t held;		    /* vectors that are due and held back */
	bool pin;
	uint64_t tcp_timer; /* when it is due; 0: off */
};

struct igb_fn {
	struct pci_dev *dev;
	struct igb_shared *sh;
	struct pci_dev *card; /* the physical function, whose the shared state is */
	bool vf;
	unsigned int pool; /* VFs: their number */
	struct net_config net;
	enum pci_doorbell_mode doorbell_mode;
	struct net_port *port;
	struct net_port_stats port_seen; /* counted already */

	char *net_dir;
	uint8_t *regs; /* BAR 0's memory; NULL: powered off */
	unsigned int queues;
	struct igb_queue rxq[IGB_QUEUES], txq[IGB_QUEUES];
	unsigned int next_tx;
	struct igb_intr intr;
	uint64_t timer_base;
	uint32_t io_addr; /* IOADDR of BAR 2 */

	/* timer.c: the thread that waits for EITR and the TCP timer */
	pthread_t timer;
	bool has_timer;
	_Atomic uint32_t timer_bell;
	_Atomic bool timer_stop;

	/* doorbell.c */
	bool native; /* BAR memory may hold stores that nobody looked at */
	bool close;  /* the pages must be closed at the end of this run */
	bool kick;   /* the thread has to be woken at the end of this run */
	unsigned int tails, looks;

	uint8_t *packet;   /* IGB_PACKET_MAX bytes: what is being sent */
	uint8_t *frame;	   /* IGB_SEGMENT_MAX bytes: one segment of it */
	uint8_t *shaped;   /* as many: a frame received, as the program gets it */
	uint64_t received; /* frames taken from the port or the loopback */
	bool starved;	   /* a frame waits for descriptors */
};

/* One visit to the queues: what it may still do. */
struct igb_run {
	unsigned int frames;
	size_t bytes;
};

static inline struct igb_fn *igb_fn(struct pci_dev *dev)
{
	return dev->priv;
}

static inline void igb_lock(struct igb_fn *fn)
{
	/* A holder that died left whole words behind: there is nothing to mend. */
	pci_shared_lock(fn->card);
}

static inline void igb_unlock(struct igb_fn *fn)
{
	pci_shared_unlock(fn->card);
}

static inline uint32_t igb_get(const struct igb_fn *fn, uint32_t reg)
{
	return __atomic_load_n(&fn->sh->reg[reg / 4], __ATOMIC_RELAXED);
}

static inline void igb_set(struct igb_fn *fn, uint32_t reg, uint32_t value)
{
	__atomic_store_n(&fn->sh->reg[reg / 4], value, __ATOMIC_RELAXED);
}

/* VFs that exist; other processes write there, and it is not more than there can be. */
static inline unsigned int igb_num_vfs(const struct igb_fn *fn)
{
	unsigned int num = __atomic_load_n(&fn->sh->num_vfs, __ATOMIC_ACQUIRE);

	return MIN(num, (unsigned int)IGB_VFS);
}

/* ---- regs.c: the register file --------------------------------------------------------------- */
uint32_t igb_reg_read(struct igb_fn *fn, uint32_t off);
void igb_reg_write(struct igb_fn *fn, uint32_t off, uint32_t value);

/* ---- mac.c: control, status, reset, link ----------------------------------------------------- */
/* Power on, FLR and CTRL.RST: the shared registers' defaults. */
void igb_mac_init(struct igb_fn *fn);
/* The whole physical function: registers, queues, interrupts, virtual functions. */
void igb_pf_reset(struct igb_fn *fn);
uint32_t igb_status_read(struct igb_fn *fn, uint32_t off);
void igb_ctrl_write(struct igb_fn *fn, uint32_t off, uint32_t value);
void igb_mdic_write(struct igb_fn *fn, uint32_t off, uint32_t value);
uint32_t igb_semaphore_read(struct igb_fn *fn, uint32_t off);
/* What the cable and the PHY say together changed, or may have. */
void igb_link_update(struct igb_fn *fn);
/* The PHY or the MAC leads frames back. */
bool igb_loopback(const struct igb_fn *fn);
/* Frames leave and arrive: link up or forced. */
bool igb_link_usable(const struct igb_fn *fn);

/* ---- vf.c: mailboxes and resets between the functions (7.10.2.9) ----------------------------- */
uint32_t igb_p2v_read(struct igb_fn *fn, uint32_t off);
void igb_p2v_write(struct igb_fn *fn, uint32_t off, uint32_t value);
/* CTRL_EXT.PFRSTD: the physical function is ready. */
void igb_pf_ready(struct igb_fn *fn);
/* What other functions of the card did meanwhile becomes an interrupt of this one. */
void igb_card_events(struct igb_fn *fn);
/* The physical function is being reset: VFs see RSTI. Shared lock held. */
void igb_pf_gone(struct igb_fn *fn);
uint32_t igb_v2p_read(struct igb_fn *fn);
void igb_v2p_write(struct igb_fn *fn, uint32_t value);
void igb_vf_reset(struct igb_fn *fn);

/* ---- nvm.c ----------------------------------------------------------------------------------- */
void igb_nvm_init(struct igb_fn *fn);
uint32_t igb_eecd_read(struct igb_fn *fn, uint32_t off);
void igb_eerd_write(struct igb_fn *fn, uint32_t off, uint32_t value);

/* ---- queue.c: the registers of queues -------------------------------------------------------- */
void igb_queues_init(struct igb_fn *fn);
void igb_queues_reset(struct igb_fn *fn);
/* The queue whose block holds @off, and the register in it; NULL: none. */
struct igb_queue *igb_queue_at(struct igb_fn *fn, uint32_t off, uint32_t *reg);
uint32_t igb_queue_read(struct igb_fn *fn, struct igb_queue *q, uint32_t reg);
void igb_queue_write(struct igb_fn *fn, struct igb_queue *q, uint32_t reg, uint32_t value);
/* The tail alone, without BAR memory. */
void igb_queue_set_tail(struct igb_queue *q, uint32_t value);
void igb_queue_publish(struct igb_fn *fn, struct igb_queue *q);
void igb_queue_publish_head(struct igb_fn *fn, struct igb_queue *q);
/* The offsets of the queue's block: canonical, alias (0: none). */
uint32_t igb_queue_base(const struct igb_fn *fn, const struct igb_queue *q);
uint32_t igb_queue_alias(const struct igb_fn *fn, const struct igb_queue *q);
/* TCTL.EN, RCTL.RXEN, VFTE, VFRE may have changed. */
void igb_queues_update(struct igb_fn *fn);
static inline iova_t igb_queue_iova(const struct igb_queue *q, uint32_t index)
{
	return ((uint64_t)q->bah << 32 | q->bal) + (uint64_t)index * IGB_DESC_SIZE;
}
/* Descriptors that the device owns. */
static inline uint32_t igb_queue_pending(const struct igb_queue *q)
{
	return q->tail >= q->head ? q->tail - q->head : q->count - q->head + q->tail;
}
/* The descriptor @n places after the head; NULL: it cannot be read, and the queue is halted. */
const struct igb_desc *igb_queue_desc(struct igb_fn *fn, struct igb_queue *q, uint32_t n);
void igb_queue_advance(struct igb_fn *fn, struct igb_queue *q, uint32_t n);

/* ---- tx.c ------------------------------------------------------------------------------------ */
void igb_run_begin(struct igb_run *run);
/* All transmit queues in turn; true when one could go on. */
bool igb_run_tx(struct igb_fn *fn, struct igb_run *run);
/* The port or the receive side has room again. */
void igb_tx_resume(struct igb_fn *fn);

/* ---- offload.c: what the transmitter changes in a packet ------------------------------------- */
struct igb_tx_packet {
	uint8_t *data;
	size_t len;
	struct igb_desc ctx; /* the context that was chosen, all zero: none */
	bool tse, ixsm, txsm;
	bool vle; /* the tag is inserted */
	uint16_t vlan;
};
/* Checksums of a packet that is sent as one frame (7.2.5). */
void igb_offload_checksums(const struct igb_tx_packet *p);
/* Segmentation (7.2.4): how many segments there are, 0: the context makes no sense; each of them in
 * @frame (room for IGB_SEGMENT_MAX bytes), whose length is returned. */
#define IGB_SEGMENT_MAX (NET_FRAME_MAX + 256)
unsigned int igb_tso_segments(const struct igb_tx_packet *p);
size_t igb_tso_segment(const struct igb_fn *fn, const struct igb_tx_packet *p, unsigned int index,
		       unsigned int segments, uint8_t *frame);
uint32_t igb_sum(uint32_t sum, const void *data, size_t len);
uint16_t igb_fold(uint32_t sum);

/* ---- parse.c: what the receiver sees in a frame ---------------------------------------------- */
struct igb_parsed {
	bool multicast, broadcast, tagged;
	uint16_t vlan; /* TCI */
	uint16_t ethertype;
	bool ipv4, ipv6, ip_ext, fragment;
	bool tcp, udp, sctp;
	uint16_t ip_id;
	size_t l3, l4, payload, end; /* offsets; 0: not there. @end: of the IP packet */
};
/* @vet: the ethertype of tags. */
void igb_parse(const uint8_t *frame, size_t len, uint16_t vet, struct igb_parsed *p);
uint32_t igb_packet_type(const struct igb_parsed *p);
uint32_t igb_crc32(const uint8_t *data, size_t len);

/* ---- rss.c ----------------------------------------------------------------------------------- */
uint32_t igb_toeplitz(const uint8_t key[40], const uint8_t *input, size_t len);
/* The hash of a frame as MRQC asks for it, and its type (7.1.2.8.1); 0: none. */
unsigned int igb_rss(const struct igb_fn *fn, const uint8_t *frame, const struct igb_parsed *p,
		     uint32_t *hash);
unsigned int igb_rss_index(const struct igb_fn *fn, uint32_t hash);

/* ---- filter.c: who gets a frame (7.1.1, 7.10.3) ---------------------------------------------- */
bool igb_vmdq(const struct igb_fn *fn);
/* Without pools: whether the MAC takes it. */
bool igb_filter_accepts(const struct igb_fn *fn, const uint8_t *frame, size_t len,
			const struct igb_parsed *p);
/* Whether only its length keeps it out. */
bool igb_filter_oversized(const struct igb_fn *fn, const uint8_t *frame, size_t len,
			  const struct igb_parsed *p);
/* With pools: those that get it. @from: the pool that sent it, -1: the wire. */
uint32_t igb_filter_pools(const struct igb_fn *fn, const uint8_t *frame, size_t len,
			  const struct igb_parsed *p, int from);
/* The pools' switch: where a frame of pool @pool goes, NET_DEST_*; 0: the sender is not allowed. */
uint32_t igb_switch(struct igb_fn *fn, unsigned int pool, const uint8_t *frame, size_t len);
unsigned int igb_pool_station(const struct igb_fn *fn, unsigned int pool);

/* ---- rx.c ------------------------------------------------------------------------------------ */
/* A frame for this function from the port or from the loopback. 0, or -EAGAIN: no descriptors. */
int igb_receive(struct igb_fn *fn, const uint8_t *frame, size_t len, unsigned int src);

/* ---- intr.c ---------------------------------------------------------------------------------- */
void igb_intr_init(struct igb_fn *fn);
/* Causes of ICR. */
void igb_cause(struct igb_fn *fn, uint32_t causes);
/* A queue wrote descriptors back. */
void igb_queue_cause(struct igb_fn *fn, const struct igb_queue *q);
/* Vectors that EITR held back and that are due, the TCP timer; when to look again, 0: never. */
uint64_t igb_intr_expire(struct igb_fn *fn, uint64_t now);
uint32_t igb_icr_read(struct igb_fn *fn, uint32_t off);
uint32_t igb_eicr_read(struct igb_fn *fn, uint32_t off);
uint32_t igb_intr_reg_read(struct igb_fn *fn, uint32_t off);
void igb_intr_reg_write(struct igb_fn *fn, uint32_t off, uint32_t value);
/* VFs: the mailbox has something. */
void igb_vf_mailbox_cause(struct igb_fn *fn);

/* ---- timer.c --------------------------------------------------------------------------------- */
int igb_timer_start(struct igb_fn *fn);
void igb_timer_stop(struct igb_fn *fn);
/* There is a new time to look at. Signal context. */
void igb_timer_kick(struct igb_fn *fn);
uint64_t igb_now(void);

/* ---- stats.c --------------------------------------------------------------------------------- */
void igb_count(struct igb_fn *fn, uint32_t reg, uint32_t n);
void igb_count64(struct igb_fn *fn, uint32_t reg, uint64_t n);
/* A frame of @len bytes without FCS passed the MAC. */
void igb_count_rx(struct igb_fn *fn, size_t len, const uint8_t *frame);
void igb_count_tx(struct igb_fn *fn, size_t len, const uint8_t *frame);
uint32_t igb_stat_read(struct igb_fn *fn, uint32_t off);
void igb_stats_update(struct igb_fn *fn);

/* ---- doorbell.c: while the pages of queue registers are open --------------------------------- */
void igb_doorbell_declare(struct pci_dev *dev, bool vf);
int igb_doorbell_create(struct igb_fn *fn);
/* RQDPC or WVBR changed: loads trap while they hold something. */
void igb_doorbell_update_access(struct igb_fn *fn);
/* A trapped store took effect; @tail: to a tail register. */
void igb_doorbell_trapped(struct igb_fn *fn, bool tail);
/* Looks for native stores; true when there were any. Runs nothing. */
bool igb_doorbell_collect(struct igb_fn *fn);
/* Closes the pages; native stores take effect first. */
void igb_doorbell_close(struct igb_fn *fn);
/* Everything back to trapped after a reset, nothing looked at. */
void igb_doorbell_forget(struct igb_fn *fn);

/* ---- run.c ----------------------------------------------------------------------------------- */
/* Transmit and receive within the inline budget, the rest to the thread. */
void igb_run_inline(struct igb_fn *fn);
bool igb_poll(struct pci_dev *dev);
bool igb_work(struct pci_dev *dev);
int igb_port_open(struct igb_fn *fn, char *err, size_t err_size);

/* ---- igb.c: what the two kinds of functions have in common ----------------------------------- */
extern const struct pci_model igbvf_model; /* igbvf.c */
/* net=, flow=, pcap=, mac= and the session's directory of wires. */
int igb_parse_net(struct igb_fn *fn, const struct model_config *config, char *err, size_t err_size);
void igb_fn_notified(struct pci_dev *dev);
int igb_fn_power_on(struct pci_dev *dev);
void igb_fn_power_off(struct pci_dev *dev);
void igb_fn_quiesce(struct pci_dev *dev);
uint64_t igb_fn_read(struct igb_fn *fn, uint64_t off, unsigned int width,
		     uint32_t (*read)(struct igb_fn *fn, uint32_t off));
void igb_fn_write(struct igb_fn *fn, uint64_t off, unsigned int width, uint64_t value,
		  void (*write)(struct igb_fn *fn, uint32_t off, uint32_t value));

#endif
