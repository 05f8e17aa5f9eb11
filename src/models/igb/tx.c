/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmitter (7.2): descriptors become packets, packets become frames.
 *
 * A packet is taken up once all its descriptors are there, and its descriptors are written back
 * together, after its last frame has left. A frame that the port refuses stops its queue: the head
 * stays, the packet is gathered anew later. Of a segmented packet the segments that have left are
 * remembered in the queue.
 */
#include "models/igb/igb_priv.h"

#include <string.h>

#define ETH_MIN 60u /* without FCS (TCTL.PSP) */

void igb_run_begin(struct igb_run *run)
{
	run->frames = IGB_INLINE_FRAMES;
	run->bytes = IGB_INLINE_BYTES;
}

/* ---- one frame ------------------------------------------------------------------------------- */

/* 0, or -EAGAIN: it must be sent again. */
static int send_wire(struct igb_fn *fn, uint32_t dest, const uint8_t *frame, size_t len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)frame, .iov_len = len };
	int rc;

	if (!fn->port)
		return 0;
	rc = net_port_transmit(fn->port, dest, &iov, 1);
	if (rc == -ENETDOWN && dest != NET_DEST_WIRE)
		rc = net_port_transmit(fn->port, dest & ~NET_DEST_WIRE, &iov, 1);
	/* Without link nothing is fetched (4.5.10): the frame waits. */
	return rc == -EAGAIN || rc == -ENETDOWN ? -EAGAIN : 0;
}

static void count_vf_tx(struct igb_fn *fn, size_t len, bool local)
{
	struct igb_vf_stats *s = &fn->sh->vf[fn->pool];

	__atomic_fetch_add(local ? &s->gptlbc : &s->gptc, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(local ? &s->gotlbc : &s->gotc, (uint32_t)len + 4, __ATOMIC_RELAXED);
}

static int send_frame(struct igb_fn *fn, const struct igb_queue *q, uint8_t *frame, size_t len)
{
	uint32_t dest = NET_DEST_WIRE;
	int rc;

	if (len < ETH_MIN && (igb_get(fn, IGB_TCTL) & IGB_TCTL_PSP)) {
		memset(frame + len, 0, ETH_MIN - len);
		len = ETH_MIN;
	}
	if (igb_loopback(fn)) {
		rc = igb_receive(fn, frame, len, NET_SRC_WIRE);
	} else {
		if (igb_vmdq(fn))
			dest = igb_switch(fn, q->hw % IGB_POOLS, frame, len);
		/* Spoofed, or meant for pools that nobody uses. */
		rc = dest ? send_wire(fn, dest, frame, len) : 0;
	}
	if (rc || !dest)
		return rc;
	if (dest & NET_DEST_WIRE)
		igb_count_tx(fn, len, frame);
	if (fn->vf)
		count_vf_tx(fn, len, !(dest & NET_DEST_WIRE));
	return 0;
}

/* ---- packets --------------------------------------------------------------------------------- */

/* 7.4.2: the tag stands behind the addresses. @room: bytes that @frame has behind @len. */
static size_t insert_vlan(const struct igb_fn *fn, const struct igb_tx_packet *p, uint8_t *frame,
			  size_t len)
{
	uint16_t type = (uint16_t)igb_get(fn, IGB_VET);

	if (!p->vle || len < 12)
		return len;
	memmove(frame + 16, frame + 12, len - 12);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	frame[14] = (uint8_t)(p->vlan >> 8);
	frame[15] = (uint8_t)p->vlan;
	return len + 4;
}

/* VMVIR (8.14.13): what the physical function makes of a pool's tags. */
static void default_vlan(const struct igb_fn *fn, const struct igb_queue *q,
			 struct igb_tx_packet *p)
{
	uint32_t vmvir;

	if (!igb_vmdq(fn))
		return;
	vmvir = igb_get(fn, IGB_VMVIR + 4 * (q->hw % IGB_POOLS));
	if (IGB_VMVIR_ACTION(vmvir) == 1) {
		p->vle = true;
		p->vlan = (uint16_t)vmvir;
	} else if (IGB_VMVIR_ACTION(vmvir) == 2) {
		p->vle = false;
	}
}

/* 0, -EAGAIN: the queue waits, or -EINPROGRESS: enough for now. */
static int send_packet(struct igb_fn *fn, struct igb_queue *q, struct igb_tx_packet *p,
		       struct igb_run *run)
{
	unsigned int segments, sent = 0;
	int rc;

	default_vlan(fn, q, p);
	if (!p->tse) {
		size_t len;

		if (p->len > NET_FRAME_MAX || p->len < NET_FRAME_MIN)
			return 0;
		igb_offload_checksums(p);
		len = insert_vlan(fn, p, p->data, p->len);
		run->frames -= run->frames > 0;
		return send_frame(fn, q, p->data, len);
	}
	segments = igb_tso_segments(p);
	while (q->segment < segments) {
		size_t len;

		if (sent++ == IGB_INLINE_SEGMENTS) {
			run->frames = 0;
			return -EINPROGRESS;
		}
		len = igb_tso_segment(fn, p, q->segment, segments, fn->frame);
		len = insert_vlan(fn, p, fn->frame, len);
		rc = len > NET_FRAME_MAX ? 0 : send_frame(fn, q, fn->frame, len);
		if (rc)
			return rc;
		q->segment++;
		run->frames -= run->frames > 0;
	}
	q->segment = 0;
	igb_count(fn, IGB_TSCTC, segments > 0);
	return 0;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static bool is_context(const struct igb_desc *d)
{
	return (d->lo & IGB_TXD_DEXT) && IGB_TXD_DTYP(d->lo) == IGB_TXD_CONTEXT;
}

/* What the first descriptor of a packet says about all of it (7.2.2.1, 7.2.2.3). */
static void packet_begin(const struct igb_queue *q, const struct igb_desc *d,
			 struct igb_tx_packet *p)
{
	if (d->lo & IGB_TXD_DEXT) {
		p->ctx = q->ctx[IGB_TXD_IDX(d->hi) & 1];
		p->tse = d->lo & IGB_TXD_TSE;
		p->ixsm = d->hi & IGB_TXD_IXSM;
		p->txsm = d->hi & IGB_TXD_TXSM;
		p->vlan = IGB_CTX_VLAN(&p->ctx);
	} else {
		p->vlan = (uint16_t)(d->hi >> 16);
	}
	p->vle = d->lo & IGB_TXD_VLE;
}

/* Legacy descriptors: IC asks for a sum from byte CSS on at byte CSO (7.2.2.1.3). */
static void legacy_checksum(const struct igb_desc *d, const struct igb_tx_packet *p)
{
	size_t css = d->hi >> 8 & 0xff, cso = d->lo >> 16 & 0xff;
	uint16_t sum;

	if (!(d->lo & IGB_TXD_IC) || (d->lo & IGB_TXD_DEXT) || css >= p->len || cso + 2 > p->len)
		return;
	sum = (uint16_t)~igb_fold(igb_sum(0, p->data + css, p->len - css));
	p->data[cso] = (uint8_t)(sum >> 8);
	p->data[cso + 1] = (uint8_t)sum;
}

/* How many descriptors the packet at the head has; 0: its end is not there yet, or the queue is
 * halted. */
static uint32_t packet_length(struct igb_fn *fn, struct igb_queue *q)
{
	uint32_t pending = igb_queue_pending(q);

	for (uint32_t n = 0; n < pending; n++) {
		const struct igb_desc *d = igb_queue_desc(fn, q, n);

		if (!d)
			return 0;
		if (d->lo & IGB_TXD_EOP)
			return n + 1;
	}
	return 0;
}

/* Gathers @count descriptors. False: the queue is halted. */
static bool gather(struct igb_fn *fn, struct igb_queue *q, uint32_t count, struct igb_tx_packet *p)
{
	for (uint32_t n = 0; n < count; n++) {
		const struct igb_desc *d = igb_queue_desc(fn, q, n);
		size_t len;

		if (!d)
			return false;
		if (n == 0)
			packet_begin(q, d, p);
		len = d->lo & IGB_TXD_LEN;
		if (len > IGB_PACKET_MAX - p->len)
			len = IGB_PACKET_MAX - p->len;
		if (len && dma_read(fn->dev->iommu, d->addr, p->data + p->len, len)) {
			q->halted = true;
			return false;
		}
		p->len += len;
		if (n + 1 == count)
			legacy_checksum(d, p);
	}
	return true;
}

/* 7.2.3: DD in each descriptor that asked for it, or the head as a whole. True: one asked. */
static bool write_back(struct igb_fn *fn, struct igb_queue *q, uint32_t count)
{
	bool wanted = false;

	for (uint32_t n = 0; n < count; n++) {
		const struct igb_desc *d = igb_queue_desc(fn, q, n);
		uint32_t index = q->head + n, status;

		if (!d)
			return wanted;
		if (!(d->lo & IGB_TXD_RS))
			continue;
		wanted = true;
		if (q->wbal & IGB_TDWBAL_HEAD_WB_EN)
			continue;
		if (index >= q->count)
			index -= q->count;
		status = d->lo & IGB_TXD_DEXT ? IGB_TXD_DD : (d->hi & ~0xfu) | IGB_TXD_DD;
		if (dma_write(fn->dev->iommu, igb_queue_iova(q, index) + 12, &status, 4))
			q->halted = true;
	}
	return wanted;
}

static void done(struct igb_fn *fn, struct igb_queue *q, uint32_t count)
{
	bool wanted = write_back(fn, q, count);

	igb_queue_advance(fn, q, count);
	if (!wanted)
		return;
	if (q->wbal & IGB_TDWBAL_HEAD_WB_EN) {
		uint32_t head = q->head;

		if (dma_write(fn->dev->iommu, (uint64_t)q->wbah << 32 | (q->wbal & ~3u), &head, 4))
			q->halted = true;
	}
	q->cause = true;
}

/* The next packet or context; false: nothing more can be done now. */
static bool run_one(struct igb_fn *fn, struct igb_queue *q, struct igb_run *run)
{
	struct igb_tx_packet p = { .data = fn->packet };
	const struct igb_desc *d = igb_queue_desc(fn, q, 0);
	uint32_t count;
	int rc;

	if (!d)
		return false;
	if (is_context(d)) {
		q->ctx[IGB_TXD_IDX(d->hi) & 1] = *d;
		done(fn, q, 1);
		run->frames--;
		return true;
	}
	count = packet_length(fn, q);
	if (!count || !gather(fn, q, count, &p))
		return false;
	rc = send_packet(fn, q, &p, run);
	if (rc) {
		q->paused = rc == -EAGAIN;
		return false;
	}
	run->bytes -= MIN(run->bytes, p.len);
	done(fn, q, count);
	return true;
}

static bool runnable(const struct igb_fn *fn, const struct igb_queue *q)
{
	return q->enabled && !q->halted && !q->paused && igb_queue_pending(q) &&
	       !(igb_get(fn, IGB_CTRL) & IGB_CTRL_MASTER_DISABLE);
}

bool igb_run_tx(struct igb_fn *fn, struct igb_run *run)
{
	bool more = false;

	for (unsigned int i = 0; i < fn->queues; i++) {
		struct igb_queue *q = &fn->txq[(fn->next_tx + i) % fn->queues];

		while (runnable(fn, q) && run->frames && run->bytes)
			if (!run_one(fn, q, run))
				break;
		/* One interrupt for all that was written back. */
		if (q->cause) {
			q->cause = false;
			igb_queue_cause(fn, q);
		}
		if (runnable(fn, q) && !(run->frames && run->bytes))
			more = true;
	}
	if (more)
		fn->next_tx = (fn->next_tx + 1) % fn->queues;
	return more;
}

void igb_tx_resume(struct igb_fn *fn)
{
	for (unsigned int i = 0; i < fn->queues; i++) {
		if (!fn->txq[i].paused)
			continue;
		fn->txq[i].paused = false;
		fn->kick = true;
	}
}
