/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this folder offer each other. The state's lock is held in all of them. */
#ifndef DRIVERS_IGB_PF_PRIV_H
#define DRIVERS_IGB_PF_PRIV_H

#include "drivers/igb/pf.h"

static inline uint32_t igb_pf_rd(const struct igb_pf *pf, uint32_t reg)
{
	return pf->read(pf->priv, reg);
}

static inline void igb_pf_wr(const struct igb_pf *pf, uint32_t reg, uint32_t value)
{
	pf->write(pf->priv, reg, value);
}

/* VFs that are enabled; other processes write there, and it is not more than there can be. */
static inline unsigned int igb_pf_vfs(const struct igb_pf *pf)
{
	unsigned int num = __atomic_load_n(&pf->state->vfs, __ATOMIC_RELAXED);

	return MIN(num, (unsigned int)IGB_PF_VFS);
}

static inline bool igb_pf_mac_zero(const uint8_t *mac)
{
	return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

static inline bool igb_pf_mac_valid(const uint8_t *mac)
{
	return !(mac[0] & 1) && !igb_pf_mac_zero(mac);
}

/* switch.c */

/* All of the card's configuration from @pf->state. */
void igb_pf_apply(const struct igb_pf *pf);
/* Who wrote the state down died before the card had it. */
void igb_pf_mend(const struct igb_pf *pf);
/* Pools whose senders' addresses and tags are checked. */
void igb_pf_apply_spoof_checks(const struct igb_pf *pf);
/* The receive addresses: the PF's, the VFs', the further ones. */
void igb_pf_apply_macs(const struct igb_pf *pf);
/* The hashes of all VFs, and who gets all multicasts. */
void igb_pf_apply_multicasts(const struct igb_pf *pf);
/* Lets tag @vid in to the pool of @vf, or no more. -ENOSPC: the table of tags is full. */
int igb_pf_vlan(const struct igb_pf *pf, unsigned int vf, unsigned int vid, bool add);
/* Tags are taken off what @vf receives. */
void igb_pf_vlan_strip(const struct igb_pf *pf, unsigned int vf, bool strip);
/* A VF's pool as after a reset: its tags, its frame size, no promiscuity. */
void igb_pf_reset_pool(const struct igb_pf *pf, unsigned int vf);
/* The longest frame for @vf, with FCS, without tag. */
void igb_pf_frame_size(const struct igb_pf *pf, unsigned int vf, uint32_t size);

/* mailbox.c */

/* One message of @vf's, answered. */
void igb_pf_message(const struct igb_pf *pf, unsigned int vf);
/* Tells @vf that the PF is there; whether it may send things. */
void igb_pf_ping(const struct igb_pf *pf, unsigned int vf);

#endif
