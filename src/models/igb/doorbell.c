/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pages with queue registers as doorbells (pci/doorbell.h).
 *
 * Pages 2 and 3 of BAR 0 hold the first four queues (all of a virtual function's) and are the range
 * that pci/ opens and closes; the physical function's pages 0xc to 0xe, where all sixteen are,
 * follow it here. While the pages are open, tails are looked at each time and all else from time to
 * time: drivers set queues up before they use them, and what they write elsewhere (control
 * registers, which trap) closes the pages first.
 *
 * Loads are native; the register of lost packets and the one of wrong senders clear themselves when
 * read, so that loads trap while one of them holds something.
 */
#include "file/file.h"
#include "models/igb/igb_priv.h"

#define PAGES	      0x2000u
#define PAGES_END     0x4000u
#define MORE_PAGES    0xc000u
#define MORE_LEN      0x3000u
#define TAILS_TO_OPEN 8
#define LOOKS_TO_ALL  64

static uint32_t load(const struct igb_fn *fn, uint32_t off)
{
	/* Pairs with the program's store: the descriptors that it announces are read after it. */
	return __atomic_load_n((const uint32_t *)(const void *)(fn->regs + off), __ATOMIC_ACQUIRE);
}

static void put(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(fn->regs + off), value, __ATOMIC_RELEASE);
}

static bool is_open(const struct igb_fn *fn)
{
	return fn->dev->bar[0].page_access[PAGES / HOST_PAGE_SIZE] == PAGE_DIRECT;
}

static void set_more(struct igb_fn *fn, int access)
{
	if (!fn->vf && fn->dev->bar[0].page_access[MORE_PAGES / HOST_PAGE_SIZE] != access)
		pci_bar_set_access(fn->dev, 0, MORE_PAGES, MORE_LEN, access);
}

void igb_doorbell_declare(struct pci_dev *dev, bool vf)
{
	pci_bar_declare(dev, 0, PAGES, PAGES_END - PAGES, PAGE_TRAP_WRITE);
	if (!vf)
		pci_bar_declare(dev, 0, MORE_PAGES, MORE_LEN, PAGE_TRAP_WRITE);
}

int igb_doorbell_create(struct igb_fn *fn)
{
	return pci_doorbell_create(fn->dev, 0, PAGES, PAGES_END - PAGES, fn->doorbell_mode);
}

/* ---- which loads trap ------------------------------------------------------------------------ */

static bool loads_have_effects(const struct igb_fn *fn)
{
	if (!fn->vf && igb_get(fn, IGB_WVBR))
		return true;
	for (unsigned int i = 0; i < fn->queues; i++)
		if (fn->rxq[i].rqdpc)
			return true;
	return false;
}

void igb_doorbell_update_access(struct igb_fn *fn)
{
	int access = loads_have_effects(fn) ? PAGE_TRAP_ALL : PAGE_TRAP_WRITE;

	if (fn->native) {
		fn->close |= access == PAGE_TRAP_ALL;
		return;
	}
	if (fn->dev->bar[0].page_access[PAGES / HOST_PAGE_SIZE] != access)
		pci_bar_set_access(fn->dev, 0, PAGES, PAGES_END - PAGES, access);
	set_more(fn, access);
}

/* ---- opening --------------------------------------------------------------------------------- */

void igb_doorbell_trapped(struct igb_fn *fn, bool tail)
{
	fn->tails = tail ? fn->tails + 1 : 0;
	if (fn->native)
		return;
	if (fn->tails < TAILS_TO_OPEN || fn->close || loads_have_effects(fn)) {
		atomic_fetch_add_explicit(&fn->dev->stats->doorbells_trapped, tail,
					  memory_order_relaxed);
		return;
	}
	/* Before the pages are writable: what other threads store then is found. */
	fn->native = true;
	pci_doorbell_trapped(fn->dev);
	if (is_open(fn))
		set_more(fn, PAGE_DIRECT);
	else
		fn->native = false;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* What BAR memory shows of a register while nobody has written it. */
static uint32_t shown(const struct igb_queue *q, uint32_t reg)
{
	switch (reg) {
	case IGB_Q_BAL:
		return q->bal;
	case IGB_Q_BAH:
		return q->bah;
	case IGB_Q_LEN:
		return q->len;
	case IGB_Q_SRRCTL:
		return q->srrctl;
	case IGB_Q_HEAD:
		return q->head;
	case IGB_Q_DCA:
		return q->dca;
	case IGB_Q_WBAL:
		return q->wbal;
	case IGB_Q_WBAH:
		return q->wbah;
	case IGB_Q_DCTL:
		return q->enabled ? q->dctl : q->dctl & ~IGB_DCTL_ENABLE;
	default:
		return q->tail;
	}
}

/* In the order in which a driver sets a queue up. */
static const uint32_t queue_regs[] = {
	IGB_Q_BAL, IGB_Q_BAH,  IGB_Q_LEN,  IGB_Q_SRRCTL, IGB_Q_HEAD,
	IGB_Q_DCA, IGB_Q_WBAL, IGB_Q_WBAH, IGB_Q_DCTL,	 IGB_Q_TAIL,
};

/* A store of the program's to @reg in one of the queue's places; false: none. */
static bool stored(const struct igb_fn *fn, const struct igb_queue *q, uint32_t reg,
		   uint32_t *value)
{
	uint32_t alias = igb_queue_alias(fn, q), old = shown(q, reg);

	*value = load(fn, igb_queue_base(fn, q) + reg);
	if (*value != old)
		return true;
	if (!alias)
		return false;
	*value = load(fn, alias + reg);
	return *value != old;
}

static bool config_changed(const struct igb_fn *fn, const struct igb_queue *q)
{
	uint32_t value;

	for (unsigned int i = 0; i + 1 < ARRAY_SIZE(queue_regs); i++)
		if (stored(fn, q, queue_regs[i], &value))
			return true;
	return false;
}

/* Registers of pages 2 and 3 that are no queue's: the physical function's alone. */
static bool is_plain(uint32_t off)
{
	return off < IGB_RXQ_ALIAS || (off >= 0x3000 && off < IGB_TXQ_ALIAS);
}

static bool others_changed(const struct igb_fn *fn)
{
	for (unsigned int i = 0; i < fn->queues; i++)
		if (config_changed(fn, &fn->rxq[i]) || config_changed(fn, &fn->txq[i]))
			return true;
	if (fn->vf)
		return false;
	for (uint32_t off = PAGES; off < PAGES_END; off += 4)
		if (is_plain(off) && load(fn, off) != igb_get(fn, off))
			return true;
	return false;
}

/* One place of the register shows @value instead of @old, unless the program has gone on. */
static void settle(struct igb_fn *fn, uint32_t off, uint32_t old, uint32_t value)
{
	__atomic_compare_exchange_n((uint32_t *)(void *)(fn->regs + off), &old, value, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool collect_tail(struct igb_fn *fn, struct igb_queue *q)
{
	uint32_t base = igb_queue_base(fn, q) + IGB_Q_TAIL, alias = igb_queue_alias(fn, q);
	uint32_t old = q->tail, value;

	if (!stored(fn, q, IGB_Q_TAIL, &value))
		return false;
	igb_queue_set_tail(q, value);
	/* The other place follows; nonsense is replaced. */
	settle(fn, base, old, q->tail);
	settle(fn, base, value, q->tail);
	if (alias) {
		settle(fn, alias + IGB_Q_TAIL, old, q->tail);
		settle(fn, alias + IGB_Q_TAIL, value, q->tail);
	}
	return true;
}

static bool apply_queue(struct igb_fn *fn, struct igb_queue *q)
{
	uint32_t values[ARRAY_SIZE(queue_regs)];
	bool was[ARRAY_SIZE(queue_regs)], any = false;

	for (unsigned int i = 0; i < ARRAY_SIZE(queue_regs); i++)
		any |= was[i] = stored(fn, q, queue_regs[i], &values[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(queue_regs); i++)
		if (was[i])
			igb_queue_write(fn, q, queue_regs[i], values[i]);
	return any;
}

/* The pages are closed: BAR memory is still. */
static bool apply_all(struct igb_fn *fn)
{
	bool did = false;

	fn->native = fn->close = false;
	fn->tails = 0;
	for (unsigned int i = 0; i < fn->queues; i++) {
		did |= apply_queue(fn, &fn->rxq[i]);
		did |= apply_queue(fn, &fn->txq[i]);
	}
	for (uint32_t off = PAGES; !fn->vf && off < PAGES_END; off += 4) {
		uint32_t value = load(fn, off);

		if (!is_plain(off) || value == igb_get(fn, off))
			continue;
		igb_reg_write(fn, off, value);
		put(fn, off, igb_get(fn, off));
		did = true;
	}
	igb_doorbell_update_access(fn);
	return did;
}

bool igb_doorbell_collect(struct igb_fn *fn)
{
	bool did = false;

	if (!fn->native)
		return false;
	if (!is_open(fn) || fn->close || (++fn->looks % LOOKS_TO_ALL == 0 && others_changed(fn))) {
		pci_doorbell_close(fn->dev);
		set_more(fn, PAGE_TRAP_WRITE);
		return apply_all(fn);
	}
	for (unsigned int i = 0; i < fn->queues; i++) {
		if (fn->rxq[i].enabled)
			did |= collect_tail(fn, &fn->rxq[i]);
		if (fn->txq[i].enabled)
			did |= collect_tail(fn, &fn->txq[i]);
	}
	return did;
}

void igb_doorbell_close(struct igb_fn *fn)
{
	if (!fn->native)
		return;
	fn->close = true;
	igb_doorbell_collect(fn);
}

void igb_doorbell_forget(struct igb_fn *fn)
{
	pci_doorbell_close(fn->dev);
	set_more(fn, PAGE_TRAP_WRITE);
	fn->native = fn->close = false;
	fn->tails = 0;
	for (uint32_t off = PAGES; !fn->vf && off < PAGES_END; off += 4)
		if (is_plain(off))
			put(fn, off, igb_get(fn, off));
}
