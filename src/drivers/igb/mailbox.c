/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mailbox protocol between the drivers of PF and VF. The registers are the datasheet's (8.14.2
 * to 8.14.5); what stands in the messages is an agreement of the drivers, Linux's igb and igbvf.
 *
 * The first word: the message in bits 15:0, more of it in 23:16, in bits 31:29 ACK, NACK and "clear
 * to send". An answer repeats the word of the question.
 */
#include <errno.h>
#include <string.h>

#include "drivers/igb/pf_priv.h"
#include "models/igb/regs.h"

#define ACK	   BIT(31)
#define NACK	   BIT(30)
#define CTS	   BIT(29)
#define INFO(word) ((word) >> 16 & 0xff)

enum message {
	VF_RESET = 0x01,
	VF_SET_MAC_ADDR = 0x02,
	VF_SET_MULTICAST = 0x03,
	VF_SET_VLAN = 0x04,
	VF_SET_LPE = 0x05,
	VF_SET_PROMISC = 0x06,
	PF_CONTROL_MSG = 0x100,
};

enum { MAC_SET = 0, MAC_FILTER_CLEAR = 1, MAC_FILTER_ADD = 2, PROMISC_MULTICAST = 2 };

/* ---- the mailbox ----------------------------------------------------------------------------- */

static uint32_t p2v(unsigned int vf)
{
	return IGB_P2VMAILBOX + 4 * vf;
}

static uint32_t word(unsigned int vf, unsigned int index)
{
	return IGB_VMBMEM + 4 * (IGB_MBX_WORDS * vf + index);
}

/* The buffer is ours; false: the VF is writing. */
static bool take(const struct igb_pf *pf, unsigned int vf)
{
	igb_pf_wr(pf, p2v(vf), IGB_P2V_PFU);
	return igb_pf_rd(pf, p2v(vf)) & IGB_P2V_PFU;
}

static void post(const struct igb_pf *pf, unsigned int vf, const uint32_t *msg, unsigned int words)
{
	for (unsigned int i = 0; i < words; i++)
		igb_pf_wr(pf, word(vf, i), msg[i]);
	/* Gives the buffer back as well. */
	igb_pf_wr(pf, p2v(vf), IGB_P2V_STS);
}

void igb_pf_ping(const struct igb_pf *pf, unsigned int vf)
{
	uint32_t msg = PF_CONTROL_MSG | (pf->state->vf[vf].clear_to_send ? CTS : 0);

	if (take(pf, vf))
		post(pf, vf, &msg, 1);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void get_mac(const uint32_t *msg, uint8_t *mac)
{
	memcpy(mac, &msg[1], IGB_PF_MAC_LEN);
}

static void reset(const struct igb_pf *pf, unsigned int vf, uint32_t *msg)
{
	struct igb_pf_vf *v = &pf->state->vf[vf];

	v->clear_to_send = 0;
	v->multi_promisc = 0;
	v->num_hashes = 0;
	igb_pf_reset_pool(pf, vf);
	igb_pf_apply_multicasts(pf);
	igb_pf_apply_macs(pf);
	igb_pf_wr(pf, IGB_VFTE, igb_pf_rd(pf, IGB_VFTE) | BIT(vf));
	igb_pf_wr(pf, IGB_VFRE, igb_pf_rd(pf, IGB_VFRE) | BIT(vf));
	v->clear_to_send = 1;
	/* Without an address the VF takes one of its own and says so. */
	msg[0] = VF_RESET | (igb_pf_mac_zero(v->mac) ? NACK : ACK);
	msg[1] = msg[2] = 0;
	memcpy(&msg[1], v->mac, sizeof(v->mac));
}

static void clear_filters(struct igb_pf_state *s, unsigned int vf)
{
	for (unsigned int i = 0; i < IGB_PF_MAC_FILTERS; i++)
		if (s->filter[i].used && s->filter[i].vf == vf)
			s->filter[i].used = 0;
}

static int add_filter(struct igb_pf_state *s, unsigned int vf, const uint8_t *mac)
{
	for (unsigned int i = 0; i < IGB_PF_MAC_FILTERS; i++) {
		struct igb_pf_filter *f = &s->filter[i];

		if (f->used)
			continue;
		memcpy(f->mac, mac, sizeof(f->mac));
		f->vf = (uint8_t)vf;
		f->used = 1;
		return 0;
	}
	return -ENOSPC;
}

static int set_mac(const struct igb_pf *pf, unsigned int vf, const uint32_t *msg)
{
	struct igb_pf_vf *v = &pf->state->vf[vf];
	uint8_t mac[IGB_PF_MAC_LEN];
	int ret = 0;

	get_mac(msg, mac);
	if (INFO(msg[0]) == MAC_FILTER_CLEAR) {
		clear_filters(pf->state, vf);
	} else if (INFO(msg[0]) == MAC_SET || INFO(msg[0]) == MAC_FILTER_ADD) {
		if (!igb_pf_mac_valid(mac) || (v->mac_given && !v->trusted))
			return -EINVAL;
		if (INFO(msg[0]) == MAC_SET)
			memcpy(v->mac, mac, sizeof(mac));
		else
			ret = add_filter(pf->state, vf, mac);
	} else {
		return -EINVAL;
	}
	igb_pf_apply_macs(pf);
	return ret;
}

static int set_multicast(const struct igb_pf *pf, unsigned int vf, const uint32_t *msg)
{
	struct igb_pf_vf *v = &pf->state->vf[vf];
	unsigned int n = INFO(msg[0]);

	memcpy(v->hash, &msg[1], 2 * MIN(n, IGB_PF_MC_HASHES));
	v->num_hashes = (uint8_t)n;
	igb_pf_apply_multicasts(pf);
	return 0;
}

static int set_promisc(const struct igb_pf *pf, unsigned int vf, const uint32_t *msg)
{
	pf->state->vf[vf].multi_promisc = (INFO(msg[0]) & PROMISC_MULTICAST) != 0;
	igb_pf_apply_multicasts(pf);
	/* Other kinds are not for VFs to have. */
	return INFO(msg[0]) & ~(uint32_t)PROMISC_MULTICAST ? -EINVAL : 0;
}

static int set_vlan(const struct igb_pf *pf, unsigned int vf, const uint32_t *msg)
{
	unsigned int vid = msg[1] & IGB_VLVF_VLAN;
	bool add = INFO(msg[0]) != 0;
	int ret;

	if (pf->state->vf[vf].vlan)
		return -EINVAL;
	if (!vid && !add)
		return 0;
	ret = igb_pf_vlan(pf, vf, vid, add);
	if (!ret)
		igb_pf_vlan_strip(pf, vf, vid != 0);
	return ret;
}

static int request(const struct igb_pf *pf, unsigned int vf, const uint32_t *msg)
{
	if (!pf->state->vf[vf].clear_to_send)
		return -EPERM;
	switch (msg[0] & 0xffff) {
	case VF_SET_MAC_ADDR:
		return set_mac(pf, vf, msg);
	case VF_SET_MULTICAST:
		return set_multicast(pf, vf, msg);
	case VF_SET_VLAN:
		return set_vlan(pf, vf, msg);
	case VF_SET_LPE:
		igb_pf_frame_size(pf, vf, msg[1]);
		return 0;
	case VF_SET_PROMISC:
		return set_promisc(pf, vf, msg);
	default:
		return -EINVAL;
	}
}

void igb_pf_message(const struct igb_pf *pf, unsigned int vf)
{
	uint32_t msg[IGB_MBX_WORDS];
	unsigned int words = 1;

	if (!take(pf, vf))
		return;
	igb_pf_wr(pf, IGB_MBVFICR, BIT(vf));
	for (unsigned int i = 0; i < IGB_MBX_WORDS; i++)
		msg[i] = igb_pf_rd(pf, word(vf, i));
	igb_pf_wr(pf, p2v(vf), IGB_P2V_ACK | IGB_P2V_PFU);
	/* An answer to one of ours needs none. */
	if (msg[0] & (ACK | NACK)) {
		igb_pf_wr(pf, p2v(vf), 0);
		return;
	}
	if ((msg[0] & 0xffff) == VF_RESET) {
		reset(pf, vf, msg);
		words = 3;
	} else {
		bool clear = pf->state->vf[vf].clear_to_send;
		int ret = request(pf, vf, msg);

		msg[0] |= (clear ? CTS : 0) | (ret ? NACK : ACK);
	}
	post(pf, vf, msg, words);
}
