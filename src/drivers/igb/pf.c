/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's igb driver: bound, unbound, VFs, events, what an administrator sets
 * (drivers/igb/pf.h).
 *
 * state->lock is taken around all of it, below a VF's dev->lock. When its holder died, what it was
 * told to do is written down in the state or was not yet answered: the card is made to agree, and
 * the message is taken again.
 */
#include "drivers/igb/pf.h"

#include <errno.h>
#include <string.h>

#include "drivers/igb/pf_priv.h"
#include "models/igb/regs.h"

static void lock(const struct igb_pf *pf)
{
	if (pthread_mutex_lock(&pf->state->lock) != EOWNERDEAD)
		return;
	pthread_mutex_consistent(&pf->state->lock);
	if (pf->state->bound)
		igb_pf_mend(pf);
}

static void unlock(const struct igb_pf *pf)
{
	pthread_mutex_unlock(&pf->state->lock);
}

int igb_pf_init(struct igb_pf_state *state)
{
	pthread_mutexattr_t attr;
	int ret;

	memset(state, 0, sizeof(*state));
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	ret = pthread_mutex_init(&state->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	state->ready = !ret;
	return -ret;
}

bool igb_pf_bound(const struct igb_pf *pf)
{
	return __atomic_load_n(&pf->state->bound, __ATOMIC_ACQUIRE);
}

void igb_pf_bind(const struct igb_pf *pf)
{
	uint32_t mac[2];

	lock(pf);
	pf->state->vfs = 0;
	igb_pf_wr(pf, IGB_CTRL, igb_pf_rd(pf, IGB_CTRL) | IGB_CTRL_RST);
	/* 6.2.1: the reset has loaded the card's address from its EEPROM. */
	mac[0] = igb_pf_rd(pf, IGB_RA);
	mac[1] = igb_pf_rd(pf, IGB_RA + 4);
	memcpy(pf->state->mac, mac, sizeof(pf->state->mac));
	igb_pf_apply(pf);
	__atomic_store_n(&pf->state->bound, 1, __ATOMIC_RELEASE);
	unlock(pf);
}

void igb_pf_unbind(const struct igb_pf *pf)
{
	lock(pf);
	__atomic_store_n(&pf->state->bound, 0, __ATOMIC_RELEASE);
	pf->state->vfs = 0;
	/* VFs see the reset; nobody says that it is done. */
	igb_pf_wr(pf, IGB_CTRL, igb_pf_rd(pf, IGB_CTRL) | IGB_CTRL_RST);
	unlock(pf);
}

int igb_pf_set_vfs(const struct igb_pf *pf, unsigned int num)
{
	if (num > IGB_PF_VFS)
		return -ERANGE;
	lock(pf);
	memset(pf->state->vf, 0, sizeof(pf->state->vf));
	memset(pf->state->filter, 0, sizeof(pf->state->filter));
	for (unsigned int i = 0; i < num; i++)
		pf->state->vf[i].spoof_checked = 1;
	pf->state->vfs = num;
	igb_pf_apply(pf);
	unlock(pf);
	return 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void was_reset(const struct igb_pf *pf, unsigned int vf)
{
	struct igb_pf_vf *v = &pf->state->vf[vf];

	if (!v->mac_given)
		memset(v->mac, 0, sizeof(v->mac));
	v->clear_to_send = 0;
	v->multi_promisc = 0;
	v->num_hashes = 0;
	igb_pf_reset_pool(pf, vf);
	igb_pf_apply_macs(pf);
	igb_pf_apply_multicasts(pf);
}

static void look_at(const struct igb_pf *pf, unsigned int vf)
{
	if (igb_pf_rd(pf, IGB_VFLRE) & BIT(vf)) {
		igb_pf_wr(pf, IGB_VFLRE, BIT(vf));
		was_reset(pf, vf);
	}
	if (igb_pf_rd(pf, IGB_MBVFICR) & BIT(vf))
		igb_pf_message(pf, vf);
	if (igb_pf_rd(pf, IGB_MBVFICR) & BIT(vf + 16))
		igb_pf_wr(pf, IGB_MBVFICR, BIT(vf + 16));
}

void igb_pf_events(const struct igb_pf *pf)
{
	uint32_t link;

	lock(pf);
	if (!pf->state->bound) {
		unlock(pf);
		return;
	}
	for (unsigned int i = 0; i < igb_pf_vfs(pf); i++)
		look_at(pf, i);
	link = igb_pf_rd(pf, IGB_STATUS) & IGB_STATUS_LU;
	if (link != pf->state->link) {
		pf->state->link = link;
		for (unsigned int i = 0; i < igb_pf_vfs(pf); i++)
			igb_pf_ping(pf, i);
	}
	unlock(pf);
}

/* ---- the administrator ----------------------------------------------------------------------- */

/* The lock is taken when this returns 0. */
static int begin(const struct igb_pf *pf, unsigned int vf, struct igb_pf_vf **out)
{
	lock(pf);
	if (!pf->state->bound || vf >= igb_pf_vfs(pf)) {
		unlock(pf);
		return -EINVAL;
	}
	*out = &pf->state->vf[vf];
	return 0;
}

int igb_pf_set_vf_mac(const struct igb_pf *pf, unsigned int vf, const uint8_t mac[IGB_PF_MAC_LEN])
{
	struct igb_pf_vf *v;
	int ret;

	if (!igb_pf_mac_valid(mac) && !igb_pf_mac_zero(mac))
		return -EINVAL;
	ret = begin(pf, vf, &v);
	if (ret)
		return ret;
	memcpy(v->mac, mac, sizeof(v->mac));
	v->mac_given = !igb_pf_mac_zero(mac);
	igb_pf_apply_macs(pf);
	unlock(pf);
	return 0;
}

int igb_pf_set_vf_vlan(const struct igb_pf *pf, unsigned int vf, unsigned int vlan)
{
	struct igb_pf_vf *v;
	int ret;

	if (vlan > 4095)
		return -EINVAL;
	ret = begin(pf, vf, &v);
	if (ret)
		return ret;
	v->vlan = (uint16_t)vlan;
	igb_pf_reset_pool(pf, vf);
	igb_pf_apply_multicasts(pf);
	unlock(pf);
	return 0;
}

int igb_pf_set_vf_trust(const struct igb_pf *pf, unsigned int vf, bool trusted)
{
	struct igb_pf_vf *v;
	int ret = begin(pf, vf, &v);

	if (ret)
		return ret;
	v->trusted = trusted;
	unlock(pf);
	return 0;
}

int igb_pf_set_vf_spoofchk(const struct igb_pf *pf, unsigned int vf, bool checked)
{
	struct igb_pf_vf *v;
	int ret = begin(pf, vf, &v);

	if (ret)
		return ret;
	v->spoof_checked = checked;
	igb_pf_apply_spoof_checks(pf);
	unlock(pf);
	return 0;
}
