/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slices of a controller's medium (slice.h), and the gate in front of their I/O queues.
 *
 * Only the slice itself is mapped, so that no address that a command could make leads out of it;
 * what a command may ask for is checked where it always is (io.c, block_range()). A slice has the
 * card's number of queues and way of serving doorbells, one namespace, and nothing of the card's
 * other state.
 *
 * Held back by the gate, commands stay in their queue: the device's thread sleeps and asks again,
 * for all queues of the controller at once.
 */
#include "models/nvme/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/overflow.h"
#include "models/nvme/nvme.h"
#include "models/nvme/nvme_priv.h"

_Static_assert(PCI_SHARED_HEADER + sizeof(struct nvme_shared) <= NVME_SLICE_STATE, "state");

/* Whatever a command moves, it costs the controller this much. */
#define COST_MIN 512u

static bool is_card(const struct pci_dev *dev)
{
	return dev->model == &nvme_model;
}

uint64_t nvme_medium_size(const struct pci_dev *card)
{
	const struct nvme_ctrl *c = card->priv;

	return is_card(card) ? c->backing.size : 0;
}

uint64_t nvme_medium_bandwidth(const struct pci_dev *card)
{
	const struct nvme_ctrl *c = card->priv;

	return is_card(card) ? c->bandwidth : 0;
}

int nvme_medium_clear(struct pci_dev *card, uint64_t start, uint64_t size)
{
	struct nvme_ctrl *c = nvme_ctrl(card);
	struct nvme_backing part;
	int rc;

	if (!range_within(start, size, nvme_medium_size(card)))
		return -ERANGE;
	rc = fault_init();
	if (rc)
		return rc;
	/* A mapping of its own: the card's knowledge of holes is its user's. */
	nvme_backing_slice(&part, &c->backing, start, size);
	pci_dev_lock(card);
	rc = nvme_backing_map(&part);
	pci_dev_unlock(card);
	if (!rc && !nvme_backing_discard(&part, 0, size))
		rc = -EIO;
	if (!rc && !nvme_backing_sync(&part, 0, size))
		rc = -EIO;
	nvme_backing_free(&part);
	return rc;
}

static int hex_digit(char ch)
{
	return ch >= '0' && ch <= '9'	? ch - '0'
	       : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
	       : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
					: -1;
}

static int parse_uuid(const char *text, uint8_t uuid[16])
{
	for (unsigned int i = 0, n = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : hex_digit(text[i]) < 0)
			return -EINVAL;
		if (dash)
			continue;
		uuid[n / 2] = (uint8_t)(uuid[n / 2] << 4 | hex_digit(text[i]));
		n++;
	}
	return text[36] ? -EINVAL : 0;
}

/* Two UUIDs may differ in any digit, and a serial number has room for 20 characters. */
static void make_serial(struct nvme_ctrl *c)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

	for (unsigned int i = 0; i < sizeof(c->uuid); i++)
		h = (h ^ c->uuid[i]) * 0x100000001b3u;
	snprintf(c->serial, sizeof(c->serial), "mdev%016llX", (unsigned long long)h);
}

static int fill(struct nvme_ctrl *c, const struct nvme_slice *slice)
{
	struct nvme_ctrl *card = nvme_ctrl(slice->card);

	if (parse_uuid(slice->uuid, c->uuid))
		return -EINVAL;
	if (!slice->size || !IS_ALIGNED(slice->start | slice->size, HOST_PAGE_SIZE))
		return -EINVAL;
	if (!range_within(slice->start, slice->size, card->backing.size))
		return -ERANGE;
	c->slice = true;
	c->gate = slice->gate;
	c->private_pairs = c->pairs = card->private_pairs;
	c->vectors = c->pairs + 1;
	c->first_format = card->first_format;
	c->doorbell_mode = card->doorbell_mode;
	c->namespaces = 1;
	c->ns[0] = (struct nvme_ns){ .off = 0, .size = slice->size };
	nvme_backing_slice(&c->backing, &card->backing, slice->start, slice->size);
	make_serial(c);
	return 0;
}

int nvme_slice_create(const struct nvme_slice *slice, struct pci_dev **out)
{
	struct nvme_ctrl *c;
	struct pci_dev *dev;
	int rc;

	if (!is_card(slice->card))
		return -EINVAL;
	rc = pci_dev_create(slice->card->rid, &nvme_slice_model, &dev);
	if (rc)
		return rc;
	c = calloc(1, sizeof(*c));
	if (!c) {
		pci_dev_destroy(dev);
		return -ENOMEM;
	}
	c->dev = dev;
	dev->priv = c;
	rc = fill(c, slice);
	if (!rc)
		rc = nvme_add_function(dev, c->vectors, 0);
	if (!rc)
		rc = pci_dev_set_shared(dev, slice->state, slice->fresh);
	if (rc) {
		free(c);
		pci_dev_destroy(dev);
		return rc;
	}
	pci_dev_created(dev);
	*out = dev;
	return 0;
}

/* ---- the gate -------------------------------------------------------------------------------- */

bool nvme_gate_admit(struct nvme_ctrl *c, const struct nvme_sqe *cmd, struct nvme_run *run)
{
	uint64_t wait;

	if (!c->gate.admit)
		return true;
	if (!run->entered)
		c->gate.enter(c->gate.arg);
	run->entered = true;
	wait = c->gate.admit(c->gate.arg, MAX(nvme_io_cost(c, cmd), COST_MIN));
	if (likely(!wait))
		return true;
	c->gate_wait = wait;
	run->held = true;
	return false;
}

void nvme_gate_leave(struct nvme_ctrl *c, const struct nvme_run *run)
{
	if (run->entered)
		c->gate.leave(c->gate.arg, run->held || c->kick || !run->cmds || !run->bytes);
}

void nvme_gate_sleep(struct nvme_ctrl *c)
{
	struct timespec pause = { .tv_sec = (time_t)(c->gate_wait / 1000000000u),
				  .tv_nsec = (long)(c->gate_wait % 1000000000u) };

	if (!c->gate_wait)
		return;
	c->gate_wait = 0;
	pci_dev_unlock(c->dev);
	nanosleep(&pause, NULL);
	pci_dev_lock(c->dev);
}
