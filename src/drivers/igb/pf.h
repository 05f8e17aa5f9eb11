/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the host's igb driver does for virtual functions when it holds the physical function of an
 * 82576 (not a program through vfio-pci): the switch's configuration, and the mailbox protocol.
 *
 * It makes no network device of the physical function, which therefore sends and receives nothing;
 * unlike Linux's it answers VFs at any time, not only while such a device is up.
 *
 * Where it runs. Its state is pointer-free and belongs to the card, as the registers do: whichever
 * process' VF sends a message runs the handler right there, under a robust mutex. No process need
 * live for it, a message is answered before the VF's store returns, and one that dies in the middle
 * leaves a card whose state the next one makes whole from what is written down (igb_pf_events()).
 */
#ifndef DRIVERS_IGB_PF_H
#define DRIVERS_IGB_PF_H

#include <pthread.h>

#include "base/types.h"

#define IGB_PF_VFS	   7  /* as many as Linux allows of eight: one pool is the PF's */
#define IGB_PF_MC_HASHES   30 /* that a message can hold */
#define IGB_PF_MAC_LEN	   6
#define IGB_PF_MAC_FILTERS 16 /* further addresses, of all VFs together */

/* One VF, as the host knows it. */
struct igb_pf_vf {
	uint8_t mac[IGB_PF_MAC_LEN]; /* zero: none yet */
	uint8_t clear_to_send;	     /* the VF has been reset and may ask for things */
	uint8_t mac_given;	     /* by the administrator: the VF may not choose */
	uint8_t trusted;
	uint8_t spoof_checked;
	uint8_t multi_promisc;
	uint8_t num_hashes; /* as the VF said: more than IGB_PF_MC_HASHES means all multicasts */
	uint16_t hash[IGB_PF_MC_HASHES];
	uint16_t vlan; /* that the administrator has put it in; 0: none */
};

struct igb_pf_filter {
	uint8_t mac[IGB_PF_MAC_LEN];
	uint8_t used, vf;
};

/* Shared by the session's processes. */
struct igb_pf_state {
	pthread_mutex_t lock; /* robust */
	uint32_t ready;	      /* igb_pf_init() was here */
	uint32_t bound;	      /* the driver holds the function */
	uint32_t vfs;	      /* enabled */
	uint32_t link;	      /* as the VFs were told */
	uint8_t mac[IGB_PF_MAC_LEN];
	struct igb_pf_vf vf[IGB_PF_VFS];
	struct igb_pf_filter filter[IGB_PF_MAC_FILTERS];
};

/* How it reaches the card: registers of BAR 0. */
struct igb_pf {
	uint32_t (*read)(void *priv, uint32_t reg);
	void (*write)(void *priv, uint32_t reg, uint32_t value);
	void *priv;
	struct igb_pf_state *state;
};

/* Once, before any process uses @state. 0 or -errno. */
int igb_pf_init(struct igb_pf_state *state);
/* Probe: the card is reset and set up for no VF. */
void igb_pf_bind(const struct igb_pf *pf);
/* Remove: VFs are told that nobody answers any more. */
void igb_pf_unbind(const struct igb_pf *pf);
/* The switch for @num VFs (0: none), which have no addresses yet. -ERANGE: more than
 * IGB_PF_VFS. */
int igb_pf_set_vfs(const struct igb_pf *pf, unsigned int num);
/* A VF was reset, sent something or took something, or the link changed: looks at all that may have
 * happened. Traps as well. */
void igb_pf_events(const struct igb_pf *pf);
/* True: the driver holds the function. */
bool igb_pf_bound(const struct igb_pf *pf);

/*
 * What an administrator sets (`ip link set DEV vf N ...`); -EINVAL: no such VF, no valid address
 * or VLAN. A zero address: the VF may choose again. The VF sees a changed address at its next
 * reset.
 */
int igb_pf_set_vf_mac(const struct igb_pf *pf, unsigned int vf, const uint8_t mac[IGB_PF_MAC_LEN]);
int igb_pf_set_vf_vlan(const struct igb_pf *pf, unsigned int vf, unsigned int vlan);
int igb_pf_set_vf_trust(const struct igb_pf *pf, unsigned int vf, bool trusted);
int igb_pf_set_vf_spoofchk(const struct igb_pf *pf, unsigned int vf, bool checked);

#endif
