/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of transmit and receive queues (8.10.5 to 8.10.11, 8.12.8 to 8.12.15), in their
 * canonical place and, for the first four, once more at their place in older controllers.
 *
 * struct igb_queue is the truth; BAR memory holds a copy for native loads and takes native stores.
 * A virtual function's two queues are those of its pool (7.10.1.1): number n and n + 8.
 */
#include "models/igb/igb_priv.h"

#include <string.h>

uint32_t igb_queue_base(const struct igb_fn *fn, const struct igb_queue *q)
{
	if (fn->vf)
		return (q->tx ? IGB_TXQ_ALIAS : IGB_RXQ_ALIAS) + IGB_ALIAS_SIZE * q->index;
	return (q->tx ? IGB_TXQ_BASE : IGB_RXQ_BASE) + IGB_QUEUE_SIZE * q->index;
}

uint32_t igb_queue_alias(const struct igb_fn *fn, const struct igb_queue *q)
{
	if (fn->vf || q->index >= IGB_ALIAS_COUNT)
		return 0;
	return (q->tx ? IGB_TXQ_ALIAS : IGB_RXQ_ALIAS) + IGB_ALIAS_SIZE * q->index;
}

struct igb_queue *igb_queue_at(struct igb_fn *fn, uint32_t off, uint32_t *reg)
{
	static const struct {
		uint32_t base, size, count;
		bool tx, alias;
	} blocks[] = {
		{ IGB_RXQ_BASE, IGB_QUEUE_SIZE, IGB_QUEUES, false, false },
		{ IGB_TXQ_BASE, IGB_QUEUE_SIZE, IGB_QUEUES, true, false },
		{ IGB_RXQ_ALIAS, IGB_ALIAS_SIZE, IGB_ALIAS_COUNT, false, true },
		{ IGB_TXQ_ALIAS, IGB_ALIAS_SIZE, IGB_ALIAS_COUNT, true, true },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(blocks); i++) {
		uint32_t in = off - blocks[i].base, index = in / blocks[i].size;

		if (off < blocks[i].base || index >= blocks[i].count || index >= fn->queues ||
		    (fn->vf && !blocks[i].alias))
			continue;
		*reg = in % blocks[i].size;
		if (*reg >= IGB_QUEUE_SIZE)
			return NULL;
		return blocks[i].tx ? &fn->txq[index] : &fn->rxq[index];
	}
	return NULL;
}

/* ---- BAR memory ------------------------------------------------------------------------------ */

static void put(struct igb_fn *fn, const struct igb_queue *q, uint32_t reg, uint32_t value)
{
	uint32_t alias = igb_queue_alias(fn, q);

	if (!fn->regs)
		return;
	__atomic_store_n((uint32_t *)(void *)(fn->regs + igb_queue_base(fn, q) + reg), value,
			 __ATOMIC_RELEASE);
	if (alias)
		__atomic_store_n((uint32_t *)(void *)(fn->regs + alias + reg), value,
				 __ATOMIC_RELEASE);
}

void igb_queue_publish_head(struct igb_fn *fn, struct igb_queue *q)
{
	put(fn, q, IGB_Q_HEAD, q->head);
}

/* Bit 25 of DCTL reads as 0 until the queue runs (8.10.10, 8.12.14). */
static uint32_t dctl_shown(const struct igb_queue *q)
{
	return q->enabled ? q->dctl : q->dctl & ~IGB_DCTL_ENABLE;
}

void igb_queue_publish(struct igb_fn *fn, struct igb_queue *q)
{
	put(fn, q, IGB_Q_BAL, q->bal);
	put(fn, q, IGB_Q_BAH, q->bah);
	put(fn, q, IGB_Q_LEN, q->len);
	put(fn, q, IGB_Q_SRRCTL, q->srrctl);
	put(fn, q, IGB_Q_HEAD, q->head);
	put(fn, q, IGB_Q_DCA, q->dca);
	put(fn, q, IGB_Q_TAIL, q->tail);
	put(fn, q, IGB_Q_DCTL, dctl_shown(q));
	put(fn, q, IGB_Q_RQDPC, q->rqdpc);
	put(fn, q, IGB_Q_WBAL, q->wbal);
	put(fn, q, IGB_Q_WBAH, q->wbah);
}

/* ---- states ---------------------------------------------------------------------------------- */

static bool may_run(const struct igb_fn *fn, const struct igb_queue *q)
{
	if (!(q->dctl & IGB_DCTL_ENABLE) || !q->count)
		return false;
	if (q->tx && !(igb_get(fn, IGB_TCTL) & IGB_TCTL_EN))
		return false;
	if (!q->tx && !(igb_get(fn, IGB_RCTL) & IGB_RCTL_RXEN))
		return false;
	/* 8.14.6, 8.14.7: by pool. */
	if (!fn->vf)
		return true;
	return igb_get(fn, q->tx ? IGB_VFTE : IGB_VFRE) & BIT(fn->pool);
}

static void update(struct igb_fn *fn, struct igb_queue *q)
{
	bool enabled = may_run(fn, q);

	if (enabled == q->enabled)
		return;
	q->enabled = enabled;
	q->halted = q->paused = false;
	q->fetched = 0;
	q->segment = 0;
	put(fn, q, IGB_Q_DCTL, dctl_shown(q));
}

void igb_queues_update(struct igb_fn *fn)
{
	for (unsigned int i = 0; i < fn->queues; i++) {
		update(fn, &fn->rxq[i]);
		update(fn, &fn->txq[i]);
	}
}

static void queue_reset(struct igb_fn *fn, struct igb_queue *q)
{
	struct igb_queue fresh = { .hw = q->hw, .index = q->index, .tx = q->tx };

	/* 8.10.2: 2 KiB buffers; 8.12.14, 8.10.10: queue 0 of the PF is enabled by default. */
	if (!q->tx)
		fresh.srrctl = 0x400;
	if (!fn->vf && q->index == 0)
		fresh.dctl = IGB_DCTL_ENABLE;
	if (!q->tx && !fn->vf)
		fresh.wbal = IGB_DVMOLR_STRCRC;
	*q = fresh;
	igb_queue_publish(fn, q);
}

void igb_queues_reset(struct igb_fn *fn)
{
	if (!fn->regs)
		return;
	igb_doorbell_forget(fn);
	for (unsigned int i = 0; i < fn->queues; i++) {
		queue_reset(fn, &fn->rxq[i]);
		queue_reset(fn, &fn->txq[i]);
	}
}

void igb_queues_init(struct igb_fn *fn)
{
	for (unsigned int i = 0; i < fn->queues; i++) {
		unsigned int hw = fn->vf ? fn->pool + IGB_POOLS * i : i;

		fn->rxq[i] = (struct igb_queue){ .hw = hw, .index = i };
		fn->txq[i] = (struct igb_queue){ .hw = hw, .index = i, .tx = true };
	}
}

/* ---- loads and stores ------------------------------------------------------------------------ */

uint32_t igb_queue_read(struct igb_fn *fn, struct igb_queue *q, uint32_t reg)
{
	uint32_t value;

	switch (reg) {
	case IGB_Q_BAL:
		return q->bal;
	case IGB_Q_BAH:
		return q->bah;
	case IGB_Q_LEN:
		return q->len;
	case IGB_Q_SRRCTL:
		return q->tx ? 0 : q->srrctl;
	case IGB_Q_HEAD:
		return q->head;
	case IGB_Q_DCA:
		return q->dca;
	case IGB_Q_TAIL:
		return q->tail;
	case IGB_Q_DCTL:
		return dctl_shown(q);
	case IGB_Q_RQDPC:
		value = q->rqdpc;
		q->rqdpc = 0;
		put(fn, q, reg, 0);
		return value;
	case IGB_Q_WBAL:
		return q->wbal;
	case IGB_Q_WBAH:
		return q->wbah;
	default:
		return 0;
	}
}

static void dctl_write(struct igb_fn *fn, struct igb_queue *q, uint32_t value)
{
	bool was = q->dctl & IGB_DCTL_ENABLE;

	/* SWFLSH does its work at once: everything is written back already. */
	q->dctl = value & ~IGB_DCTL_SWFLSH;
	/* Enabling gives the queue a fresh start (4.5.9, 4.5.10). */
	if (!was && (value & IGB_DCTL_ENABLE))
		q->halted = q->paused = false;
	update(fn, q);
}

/* Nonsense stops the queue rather than the controller. */
static void check_ends(struct igb_queue *q)
{
	if (!q->count)
		return;
	if (q->head >= q->count)
		q->head = 0;
	if (q->tail >= q->count)
		q->tail = q->head;
}

void igb_queue_set_tail(struct igb_queue *q, uint32_t value)
{
	q->tail = value & 0xffff;
	check_ends(q);
}

void igb_queue_write(struct igb_fn *fn, struct igb_queue *q, uint32_t reg, uint32_t value)
{
	q->fetched = reg == IGB_Q_TAIL ? q->fetched : 0;
	switch (reg) {
	case IGB_Q_BAL:
		q->bal = value & ~0x7fu;
		break;
	case IGB_Q_BAH:
		q->bah = value;
		break;
	case IGB_Q_LEN:
		q->len = value & 0xfff80;
		q->count = q->len / IGB_DESC_SIZE;
		update(fn, q);
		break;
	case IGB_Q_SRRCTL:
		if (!q->tx)
			q->srrctl = value;
		break;
	case IGB_Q_HEAD:
		q->head = value & 0xffff;
		break;
	case IGB_Q_DCA:
		q->dca = value;
		break;
	case IGB_Q_TAIL:
		q->tail = value & 0xffff;
		break;
	case IGB_Q_DCTL:
		dctl_write(fn, q, value);
		break;
	case IGB_Q_WBAL:
		q->wbal = value;
		break;
	case IGB_Q_WBAH:
		q->wbah = value;
		break;
	default:
		return;
	}
	check_ends(q);
	if (reg == IGB_Q_TAIL)
		put(fn, q, reg, q->tail);
	else
		igb_queue_publish(fn, q);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

const struct igb_desc *igb_queue_desc(struct igb_fn *fn, struct igb_queue *q, uint32_t n)
{
	uint32_t index = q->head + n, at, count;

	if (index >= q->count)
		index -= q->count;
	at = index - q->fetched_at;
	/* What lies behind the head has been used: after a turn of the ring it is another. */
	if (index >= q->head && index >= q->fetched_at && at < q->fetched)
		return &q->ahead[at];
	/* 7.1.6, 7.2.2: read ahead what the device owns, up to the ring's end. */
	count = MIN(igb_queue_pending(q) - n, q->count - index);
	count = MIN(count, (uint32_t)IGB_FETCH);
	q->fetched = 0;
	if (dma_read(fn->dev->iommu, igb_queue_iova(q, index), q->ahead,
		     (size_t)count * IGB_DESC_SIZE)) {
		q->halted = true;
		return NULL;
	}
	q->fetched_at = index;
	q->fetched = count;
	return &q->ahead[0];
}

void igb_queue_advance(struct igb_fn *fn, struct igb_queue *q, uint32_t n)
{
	q->head += n;
	if (q->head >= q->count)
		q->head -= q->count;
	igb_queue_publish_head(fn, q);
}
