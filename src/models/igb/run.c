/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What drives a function: doorbells in the program's thread, the doorbell thread while the pages
 * are open, the function's thread for what is left, and the port's thread when frames arrive.
 */
#include "models/igb/igb_priv.h"

#include <stdio.h>
#include <string.h>

#define RECEIVE_BUDGET 64

/* ---- the port -------------------------------------------------------------------------------- */

static bool port_poll(void *priv)
{
	struct igb_fn *fn = priv;
	bool more;

	pci_dev_lock(fn->dev);
	more = fn->regs && fn->port && net_port_poll(fn->port, RECEIVE_BUDGET);
	if (fn->kick) {
		fn->kick = false;
		pci_dev_kick(fn->dev);
	}
	pci_dev_unlock(fn->dev);
	return more;
}

static int port_receive(void *priv, const void *frame, size_t len, unsigned int src)
{
	struct igb_fn *fn = priv;

	if (igb_loopback(fn))
		return 0;
	return igb_receive(fn, frame, len, src);
}

static void port_link(void *priv, bool up)
{
	(void)up;
	igb_link_update(priv);
}

static void port_resume(void *priv)
{
	igb_tx_resume(priv);
}

static const struct net_port_ops port_ops = {
	.poll = port_poll,
	.receive = port_receive,
	.link = port_link,
	.resume = port_resume,
};

int igb_port_open(struct igb_fn *fn, char *err, size_t err_size)
{
	struct net_port_args args = {
		.config = &fn->net,
		.dir = fn->net_dir[0] ? fn->net_dir : NULL,
		.card = fn->card->dev.name,
		.station = fn->vf ? fn->pool + 1 : 0,
		.ops = &port_ops,
		.priv = fn,
	};

	memset(&fn->port_seen, 0, sizeof(fn->port_seen));
	return net_port_open(&args, &fn->port, err, err_size);
}

/* ---- running --------------------------------------------------------------------------------- */

static bool receive_more(struct igb_fn *fn)
{
	if (!fn->port)
		return false;
	if (fn->starved && !igb_loopback(fn)) {
		fn->starved = false;
		net_port_ready(fn->port);
	}
	return net_port_poll(fn->port, RECEIVE_BUDGET);
}

/* Descriptors may have come for a frame that a loopback could not deliver. */
static void retry_loopback(struct igb_fn *fn)
{
	if (!igb_loopback(fn) || !fn->starved)
		return;
	fn->starved = false;
	igb_tx_resume(fn);
}

static bool run(struct igb_fn *fn)
{
	struct igb_run budget;
	bool more;

	retry_loopback(fn);
	igb_run_begin(&budget);
	more = igb_run_tx(fn, &budget);
	return receive_more(fn) || more;
}

void igb_run_inline(struct igb_fn *fn)
{
	if (run(fn) || fn->kick)
		pci_dev_kick(fn->dev);
	fn->kick = false;
	igb_doorbell_update_access(fn);
}

bool igb_poll(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);
	uint64_t before = fn->received;
	bool did, more;

	if (!fn->regs)
		return false;
	did = igb_doorbell_collect(fn);
	more = run(fn);
	did |= more || fn->received != before;
	/* While the pages are open the next look goes on; the last one, after closing, cannot. */
	if ((more || fn->kick) && !fn->native)
		pci_dev_kick(dev);
	fn->kick = false;
	igb_doorbell_update_access(fn);
	return did;
}

bool igb_work(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);
	bool more;

	if (!fn->regs)
		return false;
	fn->kick = false;
	more = run(fn);
	igb_doorbell_update_access(fn);
	return more || fn->kick;
}
