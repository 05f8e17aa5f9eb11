/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiver (7.1): filters, choice of the queue, descriptors.
 *
 * A frame is either written completely or refused with -EAGAIN before anything was written; then it
 * stays in the port's ring, which is the packet buffer, until descriptors come (7.1.6). A queue
 * whose DROP_EN is set loses the frame instead and counts it (8.10.11).
 */
#include "models/igb/igb_priv.h"

#include <string.h>

#define FCS 4u

/* What is known of a frame on its way to one queue. */
struct rx_frame {
	const uint8_t *data;
	size_t len;
	const struct igb_parsed *p;
	bool local;    /* it came from a pool of this card */
	bool stripped; /* the tag was taken out */
	unsigned int rss_type;
	uint32_t rss_hash;
	uint32_t etqf; /* 1 + the filter that matched */
};

/* ---- checksums (7.1.10, 7.1.11) -------------------------------------------------------------- */

static bool l4_ok(const struct rx_frame *f)
{
	const struct igb_parsed *p = f->p;
	const uint8_t *ip = f->data + p->l3;
	size_t len = p->end - p->l4;
	uint32_t sum;

	sum = p->ipv4 ? igb_sum(0, ip + 12, 8) : igb_sum(0, ip + 8, 32);
	sum = igb_sum(sum + (uint32_t)len + (p->tcp ? 6 : 17), f->data + p->l4, len);
	return igb_fold(sum) == 0xffff;
}

static uint32_t checksum_status(const struct igb_fn *fn, const struct rx_frame *f)
{
	const struct igb_parsed *p = f->p;
	uint32_t rxcsum = igb_get(fn, IGB_RXCSUM), status = 0;

	if (p->ipv4 && (rxcsum & IGB_RXCSUM_IPOFL)) {
		const uint8_t *ip = f->data + p->l3;

		status |= IGB_RXD_IPCS;
		if (igb_fold(igb_sum(0, ip, (size_t)(ip[0] & 0xf) * 4)) != 0xffff)
			status |= IGB_RXD_IPE;
	}
	if (!(rxcsum & IGB_RXCSUM_TUOFL) || !(p->tcp || p->udp))
		return status;
	/* 7.1.10.2: UDP without a checksum says nothing. */
	if (p->udp && !f->data[p->l4 + 6] && !f->data[p->l4 + 7])
		return status;
	status |= IGB_RXD_L4CS;
	if (p->udp)
		status |= IGB_RXD_UDPCS;
	if (!l4_ok(f))
		status |= IGB_RXD_L4E;
	return status;
}

/* 7.1.10.3: the sum of all from byte PCSS on, where no RSS hash takes its place. */
static uint16_t packet_checksum(const struct igb_fn *fn, const struct rx_frame *f)
{
	size_t from = igb_get(fn, IGB_RXCSUM) & IGB_RXCSUM_PCSS;

	if (from >= f->len)
		return 0;
	return igb_fold(igb_sum(0, f->data + from, f->len - from));
}

/* ---- buffers --------------------------------------------------------------------------------- */

static size_t buffer_size(const struct igb_fn *fn, const struct igb_queue *q)
{
	static const uint16_t sizes[] = { 2048, 1024, 512, 256 };
	size_t size = IGB_SRRCTL_BSIZEPACKET(q->srrctl) * 1024u;

	return size ? size : sizes[igb_get(fn, IGB_RCTL) >> IGB_RCTL_BSIZE_SHIFT & 3];
}

/* The length of the header that PSRTYPE lets one split off (7.1.3.2, 8.10.3); 0: none. */
static size_t header_len(const struct igb_fn *fn, const struct rx_frame *f)
{
	uint32_t psrtype = igb_get(fn, IGB_PSRTYPE + 4 * (igb_vmdq(fn) ? fn->pool : 0));
	const struct igb_parsed *p = f->p;
	unsigned int shift = f->stripped ? 4 : 0, bit;

	if (p->ipv4)
		bit = p->tcp ? 4 : p->udp ? 5 : 1;
	else if (p->ipv6)
		bit = p->tcp ? 8 : p->udp ? 9 : 7;
	else
		return 0;
	if (!(psrtype & BIT(bit)) || !p->payload)
		return 0;
	return p->payload - shift;
}

struct split {
	size_t header;	 /* bytes that go to the header buffer */
	size_t from;	 /* where the packet buffer begins */
	uint32_t fields; /* HDR_LEN and SPH of the first word */
};

/* 7.1.3.2 to 7.1.3.4. */
static struct split split_frame(const struct igb_fn *fn, const struct igb_queue *q,
				const struct rx_frame *f, size_t len)
{
	size_t room = IGB_SRRCTL_BSIZEHEADER(q->srrctl) * 64u, header;
	unsigned int type = IGB_SRRCTL_DESCTYPE(q->srrctl);
	struct split s = { 0 };

	if (type < IGB_DESC_SPLIT || type > IGB_DESC_SPLIT_ALWAYS)
		return s;
	header = header_len(fn, f);
	if (header && header <= room)
		s.fields = IGB_RXD_SPH;
	else if (type == IGB_DESC_SPLIT_ALWAYS)
		header = MIN(len, room);
	else
		return s;
	if (type == IGB_DESC_REPLICATE_LARGE && len <= buffer_size(fn, q))
		return (struct split){ 0 };
	s.header = header;
	s.fields |= (uint32_t)(header & 0x3ff) << 21;
	s.from = type == IGB_DESC_REPLICATE || type == IGB_DESC_REPLICATE_LARGE ? 0 : header;
	return s;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

/* The words of a descriptor's write-back; @last: of the frame. */
static void fill(const struct igb_fn *fn, const struct igb_queue *q, const struct rx_frame *f,
		 const struct split *s, size_t len, bool first, bool last, uint32_t wb[4])
{
	uint32_t status = IGB_RXD_DD, type = igb_packet_type(f->p);
	uint16_t vlan = 0;

	if (last) {
		status |= IGB_RXD_EOP | checksum_status(fn, f);
		if (f->stripped) {
			status |= IGB_RXD_VP;
			vlan = f->p->vlan;
		}
		if (f->local)
			status |= IGB_RXD_LB;
	}
	if (IGB_SRRCTL_DESCTYPE(q->srrctl) == IGB_DESC_LEGACY) {
		/* 7.1.4: status and errors are bytes, errors in bits 30 and 29 as above. */
		wb[0] = wb[1] = 0; /* the address stays in advance of it: see write_back() */
		wb[2] = (uint32_t)len | (uint32_t)packet_checksum(fn, f) << 16;
		wb[3] = (status & 0xff) | (status >> 24 & 0x60) << 8 | (uint32_t)vlan << 16;
		return;
	}
	if (f->etqf)
		type = IGB_PTYPE_ETQF | (f->etqf - 1) << 4;
	wb[0] = f->rss_type | type | (first ? s->fields : 0);
	if (igb_get(fn, IGB_RXCSUM) & IGB_RXCSUM_PCSD)
		wb[1] = f->rss_hash;
	else
		wb[1] = f->p->ip_id | (uint32_t)packet_checksum(fn, f) << 16;
	wb[2] = status;
	wb[3] = (uint32_t)len | (uint32_t)vlan << 16;
}

/* What says that the descriptor is done goes last: whoever sees it finds the rest in place. */
static bool write_back(struct igb_fn *fn, const struct igb_queue *q, iova_t at,
		       const uint32_t wb[4])
{
	struct iommu_dev *dma = fn->dev->iommu;

	if (IGB_SRRCTL_DESCTYPE(q->srrctl) == IGB_DESC_LEGACY)
		return !dma_write(dma, at + 8, &wb[2], 4) && !dma_write(dma, at + 12, &wb[3], 4);
	return !dma_write(dma, at + 12, &wb[3], 4) && !dma_write(dma, at, &wb[0], 8) &&
	       !dma_write(dma, at + 8, &wb[2], 4);
}

static bool move(struct igb_fn *fn, struct igb_queue *q, iova_t to, const uint8_t *from, size_t len)
{
	if (len && dma_write(fn->dev->iommu, to, from, len))
		q->halted = true;
	return !q->halted;
}

static uint32_t descriptors_for(size_t len, size_t size)
{
	return len ? (uint32_t)((len + size - 1) / size) : 1;
}

/* There is room. */
static void write_frame(struct igb_fn *fn, struct igb_queue *q, const struct rx_frame *f,
			const uint8_t *data, size_t len)
{
	size_t size = buffer_size(fn, q), at;
	struct split s = split_frame(fn, q, f, len);
	bool first = true;

	at = s.from;
	do {
		const struct igb_desc *d = igb_queue_desc(fn, q, 0);
		size_t part = MIN(size, len - at);
		bool last = at + part == len;
		uint32_t wb[4];

		/* The second word pair of a split descriptor is the header buffer's address. */
		if (!d || (first && !move(fn, q, (uint64_t)d->hi << 32 | d->lo, data, s.header)) ||
		    !move(fn, q, d->addr, data + at, part))
			return;
		at += part;
		fill(fn, q, f, &s, part, first, last, wb);
		if (!write_back(fn, q, igb_queue_iova(q, q->head), wb)) {
			q->halted = true;
			return;
		}
		igb_queue_advance(fn, q, 1);
		first = false;
	} while (at < len);
}

/* ---- one queue ------------------------------------------------------------------------------- */

static bool strips_vlan(const struct igb_fn *fn, const struct igb_queue *q)
{
	if (!igb_vmdq(fn))
		return igb_get(fn, IGB_CTRL) & IGB_CTRL_VME;
	if (!fn->vf && (q->wbal & IGB_DVMOLR_STRVLAN))
		return true;
	return igb_get(fn, IGB_VMOLR + 4 * (q->hw % IGB_POOLS)) & IGB_VMOLR_STRVLAN;
}

static bool strips_crc(const struct igb_fn *fn, const struct igb_queue *q)
{
	if (igb_get(fn, IGB_RCTL) & IGB_RCTL_SECRC)
		return true;
	return igb_vmdq(fn) &&
	       (igb_get(fn, IGB_VMOLR + 4 * (q->hw % IGB_POOLS)) & IGB_VMOLR_STRCRC);
}

/* The frame as the queue wants it: without tag, with FCS; *@len follows. */
static const uint8_t *shape(struct igb_fn *fn, const struct igb_queue *q, struct rx_frame *f,
			    size_t *len)
{
	bool crc = !strips_crc(fn, q);
	uint32_t fcs;

	f->stripped = f->p->tagged && strips_vlan(fn, q);
	*len = f->len;
	if (!f->stripped && !crc)
		return f->data;
	memcpy(fn->shaped, f->data, f->len);
	if (crc) {
		fcs = igb_crc32(f->data, f->len);
		memcpy(fn->shaped + f->len, &fcs, FCS);
		*len += FCS;
	}
	if (f->stripped) {
		memmove(fn->shaped + 12, fn->shaped + 16, *len - 16);
		*len -= 4;
	}
	return fn->shaped;
}

enum room { ROOM, NO_ROOM, GONE };

static enum room room_for(const struct igb_fn *fn, struct igb_queue *q, size_t len)
{
	if (!q->enabled || q->halted)
		return GONE;
	if (igb_queue_pending(q) >= descriptors_for(len + FCS, buffer_size(fn, q)))
		return ROOM;
	if (!(q->srrctl & IGB_SRRCTL_DROP_EN) && fn->net.flow)
		return NO_ROOM;
	q->rqdpc += q->rqdpc < 0xfff;
	return GONE;
}

/* RXDMT0 (7.3.3.2): few descriptors are left. */
static void low_water(struct igb_fn *fn, const struct igb_queue *q)
{
	unsigned int shift = 1 + (igb_get(fn, IGB_RCTL) >> IGB_RCTL_RDMTS_SHIFT & 3);

	if (igb_queue_pending(q) == q->count >> shift)
		igb_cause(fn, IGB_ICR_RXDMT0);
}

static void deliver(struct igb_fn *fn, struct igb_queue *q, struct rx_frame *f)
{
	const uint8_t *data;
	size_t len;

	data = shape(fn, q, f, &len);
	write_frame(fn, q, f, data, len);
	low_water(fn, q);
	igb_queue_cause(fn, q);
}

/* ---- which queue ----------------------------------------------------------------------------- */

/* ETQF (7.1.1.4): the first filter whose ethertype it is. */
static uint32_t match_etqf(const struct igb_fn *fn, const struct igb_parsed *p)
{
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t etqf = igb_get(fn, IGB_ETQF + 4 * i);

		if ((etqf & BIT(26)) && (etqf & 0xffff) == p->ethertype)
			return i + 1;
	}
	return 0;
}

static unsigned int choose_queue(const struct igb_fn *fn, const struct rx_frame *f)
{
	uint32_t etqf = f->etqf ? igb_get(fn, IGB_ETQF + 4 * (f->etqf - 1)) : 0;

	if (etqf & BIT(31))
		return etqf >> 16 & 7;
	if ((igb_get(fn, IGB_MRQC) & IGB_MRQC_MODE) == IGB_MRQC_RSS && f->rss_type)
		return igb_rss_index(fn, f->rss_hash);
	return 0;
}

/* 7.1.1.8: pool n has the queues n and n + 8. */
static unsigned int pool_queue(const struct igb_fn *fn, unsigned int pool, const struct rx_frame *f)
{
	bool second = (igb_get(fn, IGB_MRQC) & IGB_MRQC_MODE) == IGB_MRQC_VMDQ_RSS &&
		      (igb_get(fn, IGB_VMOLR + 4 * pool) & IGB_VMOLR_RSSE) && f->rss_type &&
		      (igb_rss_index(fn, f->rss_hash) & 1);

	if (fn->vf)
		return second;
	return pool + (second ? IGB_POOLS : 0);
}

/* Of all stations of the card that see a frame of the wire, one counts it. */
static bool counts(const struct igb_fn *fn)
{
	uint32_t stations = fn->port ? net_port_stations(fn->port) : 1;
	unsigned int mine = fn->vf ? fn->pool + 1 : 0;

	return !(stations & (BIT(mine) - 1));
}

static void count_vf_rx(struct igb_fn *fn, const struct rx_frame *f)
{
	struct igb_vf_stats *s = &fn->sh->vf[fn->pool];
	uint32_t len = (uint32_t)f->len + FCS;

	__atomic_fetch_add(f->local ? &s->gprlbc : &s->gprc, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(f->local ? &s->gorlbc : &s->gorc, len, __ATOMIC_RELAXED);
	if (f->p->multicast && !f->local)
		__atomic_fetch_add(&s->mprc, 1, __ATOMIC_RELAXED);
}

/* The queues of this function that get the frame, as a mask. *@taken: some pool of the card
 * does. */
static uint32_t queues_for(const struct igb_fn *fn, const struct rx_frame *f, unsigned int src,
			   bool *taken)
{
	unsigned int mine = fn->vf ? fn->pool + 1 : 0;
	uint32_t pools, queues = 0;
	int from = -1;

	if (!igb_vmdq(fn)) {
		*taken = igb_filter_accepts(fn, f->data, f->len, f->p);
		return *taken && !fn->vf ? BIT(choose_queue(fn, f)) : 0;
	}
	if (src != NET_SRC_WIRE)
		from = src ? (int)src - 1 : (int)IGB_VT_CTL_DEF_POOL(igb_get(fn, IGB_VT_CTL));
	pools = igb_filter_pools(fn, f->data, f->len, f->p, from);
	*taken = pools;
	for (unsigned int i = 0; i < IGB_POOLS; i++)
		if ((pools & BIT(i)) && igb_pool_station(fn, i) == mine)
			queues |= BIT(pool_queue(fn, i, f));
	return queues;
}

int igb_receive(struct igb_fn *fn, const uint8_t *frame, size_t len, unsigned int src)
{
	struct igb_parsed p;
	struct rx_frame f = { .data = frame, .len = len, .p = &p, .local = src != NET_SRC_WIRE };
	uint32_t queues, left = 0;
	bool taken;

	if (!(igb_get(fn, IGB_RCTL) & IGB_RCTL_RXEN) || len > NET_FRAME_MAX)
		return 0;
	igb_parse(frame, len, (uint16_t)igb_get(fn, IGB_VET), &p);
	f.rss_type = igb_rss(fn, frame, &p, &f.rss_hash);
	f.etqf = match_etqf(fn, &p);
	queues = queues_for(fn, &f, src, &taken);
	for (unsigned int i = 0; i < fn->queues; i++) {
		enum room room = queues & BIT(i) ? room_for(fn, &fn->rxq[i], len) : GONE;

		if (room == NO_ROOM) {
			fn->starved = true;
			return -EAGAIN;
		}
		if (room == ROOM)
			left |= BIT(i);
	}
	if (!f.local && counts(fn) && taken) {
		igb_count_rx(fn, len, frame);
		if (queues && !left) {
			igb_count(fn, IGB_RNBC, 1);
			igb_count(fn, IGB_MPC, !fn->net.flow);
		}
	} else if (!f.local && counts(fn) && !igb_vmdq(fn)) {
		/* 8.18: ROC counts what passed the address filters and is too long. */
		igb_count(fn, IGB_ROC, igb_filter_oversized(fn, frame, len, &p));
	}
	if (left)
		igb_count(fn, IGB_RPTHC, 1);
	for (unsigned int i = 0; i < fn->queues; i++)
		if (left & BIT(i))
			deliver(fn, &fn->rxq[i], &f);
	if (fn->vf && left)
		count_vf_rx(fn, &f);
	fn->received++;
	return 0;
}
