/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the physical and the virtual functions (7.10.2.9, 8.14.2 to 8.14.5): a mailbox of 64
 * bytes for each VF with a register on both sides, and what resets of one tell the other.
 *
 * Both sides may be in different processes. The state of a mailbox is one word for each VF in the
 * shared file, as the VF reads it; changes hold igb_lock(). The other side is rung
 * (pci/sriov.h) and makes the interrupt.
 */
#include "models/igb/igb_priv.h"

#include "pci/sriov.h"

static void (*driver_events)(struct pci_dev *pf);

void igb_pf_set_driver(void (*events)(struct pci_dev *pf))
{
	__atomic_store_n(&driver_events, events, __ATOMIC_RELEASE);
}

void *igb_pf_driver_state(struct pci_dev *pf)
{
	struct igb_shared *sh = pf->shared;

	return sh ? sh->driver : NULL;
}

/* Something for the PF: MBVFICR or VFLRE has a bit (8.8.9, VMMB). */
static void tell_pf(struct igb_fn *fn)
{
	void (*events)(struct pci_dev * pf) = __atomic_load_n(&driver_events, __ATOMIC_ACQUIRE);

	if (igb_get(fn, IGB_MBVFIMR) & BIT(fn->pool)) {
		__atomic_fetch_or(&fn->sh->causes, IGB_ICR_VMMB, __ATOMIC_RELEASE);
		pci_ring(fn->card);
	}
	if (events)
		events(fn->card);
}

static void tell_vf(struct igb_fn *fn, unsigned int vf)
{
	__atomic_fetch_or(&fn->sh->vf_events, BIT(vf), __ATOMIC_RELEASE);
	pci_ring_vf(fn->card, vf);
}

void igb_card_events(struct igb_fn *fn)
{
	if (!fn->vf) {
		uint32_t causes = __atomic_exchange_n(&fn->sh->causes, 0, __ATOMIC_ACQUIRE);

		if (causes)
			igb_cause(fn, causes);
		return;
	}
	/* VFRE and VFTE may be among what happened. */
	igb_queues_update(fn);
	if (__atomic_fetch_and(&fn->sh->vf_events, ~BIT(fn->pool), __ATOMIC_ACQUIRE) &
	    BIT(fn->pool))
		igb_vf_mailbox_cause(fn);
	igb_run_inline(fn);
}

/* ---- the host's driver of the physical function ---------------------------------------------- */

static struct igb_fn *unused_pf(struct pci_dev *pf)
{
	struct igb_fn *fn = igb_fn(pf);

	if (!fn->regs)
		fn->sh = pf->shared;
	return fn->sh ? fn : NULL;
}

uint32_t igb_pf_read(struct pci_dev *pf, uint32_t reg)
{
	struct igb_fn *fn = unused_pf(pf);

	return fn ? igb_reg_read(fn, reg) : 0;
}

void igb_pf_write(struct pci_dev *pf, uint32_t reg, uint32_t value)
{
	struct igb_fn *fn = unused_pf(pf);

	if (fn)
		igb_reg_write(fn, reg, value);
}

/* ---- the physical function's side ------------------------------------------------------------ */

uint32_t igb_p2v_read(struct igb_fn *fn, uint32_t off)
{
	uint32_t v2p, value = 0;

	igb_lock(fn);
	v2p = fn->sh->v2p[(off - IGB_P2VMAILBOX) / 4];
	igb_unlock(fn);
	if (v2p & IGB_V2P_VFU)
		value |= IGB_P2V_VFU;
	if (v2p & IGB_V2P_PFU)
		value |= IGB_P2V_PFU;
	return value;
}

void igb_p2v_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	unsigned int vf = (off - IGB_P2VMAILBOX) / 4;
	uint32_t *v2p = &fn->sh->v2p[vf];

	igb_lock(fn);
	if (value & IGB_P2V_STS)
		*v2p |= IGB_V2P_PFSTS;
	if (value & IGB_P2V_ACK)
		*v2p |= IGB_V2P_PFACK;
	if (value & IGB_P2V_RVFU)
		*v2p &= ~IGB_V2P_VFU;
	if (!(value & IGB_P2V_PFU))
		*v2p &= ~IGB_V2P_PFU;
	else if (!(*v2p & IGB_V2P_VFU))
		*v2p |= IGB_V2P_PFU;
	igb_unlock(fn);
	if (value & (IGB_P2V_STS | IGB_P2V_ACK))
		tell_vf(fn, vf);
}

/* 4.2.2.3: reset indication ends, reset done begins, at all VFs. */
void igb_pf_ready(struct igb_fn *fn)
{
	igb_lock(fn);
	for (unsigned int vf = 0; vf < IGB_VFS; vf++)
		fn->sh->v2p[vf] = (fn->sh->v2p[vf] & ~IGB_V2P_RSTI) | IGB_V2P_RSTD;
	igb_unlock(fn);
	for (unsigned int vf = 0; vf < IGB_VFS; vf++)
		tell_vf(fn, vf);
}

void igb_pf_gone(struct igb_fn *fn)
{
	for (unsigned int vf = 0; vf < IGB_VFS; vf++) {
		fn->sh->v2p[vf] = IGB_V2P_RSTI;
		tell_vf(fn, vf);
	}
}

/* ---- a virtual function's side --------------------------------------------------------------- */

/* PFSTS, PFACK and RSTD are cleared by the read (8.14.2). */
uint32_t igb_v2p_read(struct igb_fn *fn)
{
	uint32_t *v2p = &fn->sh->v2p[fn->pool], value;

	igb_lock(fn);
	value = *v2p;
	*v2p &= ~IGB_V2P_R2C;
	igb_unlock(fn);
	return value;
}

void igb_v2p_write(struct igb_fn *fn, uint32_t value)
{
	uint32_t *v2p = &fn->sh->v2p[fn->pool], bits = 0;

	igb_lock(fn);
	if (!(value & IGB_V2P_VFU))
		*v2p &= ~IGB_V2P_VFU;
	else if (!(*v2p & IGB_V2P_PFU))
		*v2p |= IGB_V2P_VFU;
	igb_unlock(fn);
	if (value & IGB_V2P_REQ)
		bits |= BIT(fn->pool);
	if (value & IGB_V2P_ACK)
		bits |= BIT(fn->pool + 16);
	if (!bits)
		return;
	__atomic_fetch_or(&fn->sh->reg[IGB_MBVFICR / 4], bits, __ATOMIC_RELEASE);
	tell_pf(fn);
}

/* VTCTRL.RST and the VF's FLR (4.2.2): its queues and interrupts; the PF hears of it in VFLRE and
 * enables the VF anew. */
void igb_vf_reset(struct igb_fn *fn)
{
	uint32_t *v2p = &fn->sh->v2p[fn->pool];

	igb_queues_reset(fn);
	igb_intr_init(fn);
	igb_lock(fn);
	*v2p &= ~(IGB_V2P_VFU | IGB_V2P_PFU | IGB_V2P_R2C);
	if (igb_get(fn, IGB_CTRL_EXT) & IGB_CTRL_EXT_PFRSTD)
		*v2p |= IGB_V2P_RSTD;
	else
		*v2p |= IGB_V2P_RSTI;
	igb_unlock(fn);
	__atomic_fetch_and(&fn->sh->reg[IGB_VFRE / 4], ~BIT(fn->pool), __ATOMIC_RELAXED);
	__atomic_fetch_and(&fn->sh->reg[IGB_VFTE / 4], ~BIT(fn->pool), __ATOMIC_RELAXED);
	__atomic_fetch_or(&fn->sh->reg[IGB_VFLRE / 4], BIT(fn->pool), __ATOMIC_RELEASE);
	tell_pf(fn);
}
