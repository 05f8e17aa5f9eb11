/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migration: the states STOP, RUNNING, STOP_COPY, RESUMING, PRE_COPY and both P2P ones, and the
 * stream between them. As in Linux's sample PRE_COPY gives the stream's head, so that the other
 * side refuses what it cannot take before anything stops; STOP_COPY gives it all. The stream is
 * ours, since the UART is: major version 2, where the sample has 1.
 *
 * While the card is in STOP, STOP_COPY or RESUMING its ports stand still: nothing comes in behind
 * what was saved. DMA logging reports nothing, for the card has no DMA.
 *
 * A data file may outlive the card: what both use is counted (struct mtty_mig).
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "drivers/mtty/card.h"
#include "drivers/mtty/stream.h"
#include "file/file.h"
#include "vfio/migration.h"

struct mtty_mig_file {
	struct mtty_mig *mig;
	struct file *file; /* a reference while it is the card's current one */
	pthread_mutex_t lock;
	/* lock */
	struct mtty_stream data;
	size_t filled, pos;
	bool disabled; /* its transfer is over */
	bool refused;  /* its head is not for this card */
};

struct mtty_mig {
	atomic_uint refs;
	pthread_mutex_t lock;
	/* lock */
	enum vfio_device_mig_state state;
	struct mtty_mig_file *saving, *resuming;
	uint32_t nr_ports;
};

static void mig_put(struct mtty_mig *mig)
{
	if (atomic_fetch_sub(&mig->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&mig->lock);
	free(mig);
}

/* ---- data files ------------------------------------------------------------------------------ */

static ssize_t save_read(void *priv, void *buf, size_t count)
{
	struct mtty_mig_file *migf = priv;
	ssize_t ret = -ENODEV;

	pthread_mutex_lock(&migf->lock);
	if (!migf->disabled) {
		count = MIN(count, migf->filled - migf->pos);
		memcpy(buf, (const uint8_t *)&migf->data + migf->pos, count);
		migf->pos += count;
		ret = (ssize_t)count;
	}
	pthread_mutex_unlock(&migf->lock);
	return ret;
}

static void save_unread(void *priv, size_t count)
{
	struct mtty_mig_file *migf = priv;

	pthread_mutex_lock(&migf->lock);
	migf->pos -= MIN(count, migf->pos);
	pthread_mutex_unlock(&migf->lock);
}

static int precopy_info(void *priv, struct vfio_precopy_info *info)
{
	struct mtty_mig_file *migf = priv;
	struct mtty_mig *mig = migf->mig;
	int ret = 0;

	pthread_mutex_lock(&mig->lock);
	pthread_mutex_lock(&migf->lock);
	if (mig->state != VFIO_DEVICE_STATE_PRE_COPY &&
	    mig->state != VFIO_DEVICE_STATE_PRE_COPY_P2P)
		ret = -EINVAL;
	else if (migf->disabled)
		ret = -ENODEV;
	if (!ret) {
		info->initial_bytes = migf->filled - migf->pos;
		info->dirty_bytes = 0;
	}
	pthread_mutex_unlock(&migf->lock);
	pthread_mutex_unlock(&mig->lock);
	return ret;
}

static ssize_t resume_write(void *priv, const void *buf, size_t count)
{
	struct mtty_mig_file *migf = priv;
	const size_t head = sizeof(migf->data.head);
	ssize_t ret = (ssize_t)count;

	pthread_mutex_lock(&migf->lock);
	if (count > mtty_stream_size(migf->mig->nr_ports) - migf->pos) {
		ret = -ENOMEM;
	} else if (migf->disabled) {
		ret = -ENODEV;
	} else {
		memcpy((uint8_t *)&migf->data + migf->pos, buf, count);
		migf->pos += count;
		/* The head as soon as it is there. */
		if (migf->filled < head && migf->pos >= head &&
		    !mtty_stream_head_valid(&migf->data.head, migf->mig->nr_ports)) {
			migf->refused = true;
			ret = -EFAULT;
		}
		migf->filled = migf->pos;
	}
	pthread_mutex_unlock(&migf->lock);
	return ret;
}

static void migf_release(void *priv)
{
	struct mtty_mig_file *migf = priv;

	mig_put(migf->mig);
	pthread_mutex_destroy(&migf->lock);
	free(migf);
}

static const struct vfio_mig_file_ops save_ops = {
	.name = "mtty_mig",
	.read = save_read,
	.unread = save_unread,
	.precopy_info = precopy_info,
	.release = migf_release,
};

static const struct vfio_mig_file_ops resume_ops = {
	.name = "mtty_mig",
	.write = resume_write,
	.release = migf_release,
};

static int open_file(struct mtty_mig *mig, const struct vfio_mig_file_ops *ops,
		     struct mtty_mig_file **out)
{
	struct mtty_mig_file *migf = FAIL_POINT() ? NULL : calloc(1, sizeof(*migf));
	int ret;

	if (!migf)
		return -ENOMEM;
	migf->mig = mig;
	pthread_mutex_init(&migf->lock, NULL);
	atomic_fetch_add(&mig->refs, 1);
	ret = vfio_mig_file_create(ops, migf, &migf->file);
	if (ret) {
		migf_release(migf);
		return ret;
	}
	*out = migf;
	return 0;
}

/* The transfer is over: whoever still has its file gets -ENODEV. */
static void disable(struct mtty_mig_file **slot)
{
	struct mtty_mig_file *migf = *slot;

	if (!migf)
		return;
	*slot = NULL;
	pthread_mutex_lock(&migf->lock);
	migf->disabled = true;
	migf->filled = migf->pos = 0;
	pthread_mutex_unlock(&migf->lock);
	file_put(migf->file);
}

static void disable_all(struct mtty_mig *mig)
{
	disable(&mig->saving);
	disable(&mig->resuming);
}

/* ---- what the arcs do ------------------------------------------------------------------------ */

static bool stands_still(enum vfio_device_mig_state state)
{
	return state == VFIO_DEVICE_STATE_STOP || state == VFIO_DEVICE_STATE_STOP_COPY ||
	       state == VFIO_DEVICE_STATE_RESUMING;
}

static void set_stopped(struct mtty_card *card, bool stopped)
{
	mtty_card_lock(card);
	for (unsigned int i = 0; i < card->nr_ports; i++) {
		mtty_port_stop(card->ports, card->number[i], stopped);
		if (!stopped)
			mtty_host_kick(card->host[i]);
	}
	mtty_card_update_irq(card);
	mtty_card_unlock(card);
}

static void enter(struct mtty_card *card, enum vfio_device_mig_state state)
{
	enum vfio_device_mig_state old = card->mig->state;

	card->mig->state = state;
	if (stands_still(old) != stands_still(state))
		set_stopped(card, stands_still(state));
}

static void save_ports(struct mtty_card *card, struct mtty_mig_file *migf)
{
	mtty_card_lock(card);
	pthread_mutex_lock(&migf->lock);
	for (unsigned int i = 0; i < card->nr_ports; i++)
		mtty_stream_save(&card->ports->port[card->number[i]].uart, &migf->data.port[i]);
	migf->filled = mtty_stream_size(card->nr_ports);
	pthread_mutex_unlock(&migf->lock);
	mtty_card_unlock(card);
}

/* Opens the file, or goes on with that of PRE_COPY: *@file is set when it is new. */
static int save(struct mtty_card *card, enum vfio_device_mig_state new, struct file **file)
{
	struct mtty_mig *mig = card->mig;
	int ret;

	if (!mig->saving) {
		ret = open_file(mig, &save_ops, &mig->saving);
		if (ret)
			return ret;
		mtty_stream_head(&mig->saving->data.head, mig->nr_ports);
		mig->saving->filled = sizeof(mig->saving->data.head);
		*file = file_get(mig->saving->file);
	}
	if (new == VFIO_DEVICE_STATE_STOP_COPY) {
		/* What comes in from here on waits on its line. */
		set_stopped(card, true);
		save_ports(card, mig->saving);
	}
	return 0;
}

static int load(struct mtty_card *card)
{
	struct mtty_mig_file *migf = card->mig->resuming;
	struct uart uart[MTTY_CARD_PORTS];
	int ret = 0;

	pthread_mutex_lock(&migf->lock);
	if (migf->refused || migf->filled < mtty_stream_size(card->nr_ports))
		ret = -EINVAL;
	for (unsigned int i = 0; i < card->nr_ports && !ret; i++)
		ret = mtty_stream_load(&migf->data.port[i], &uart[i]);
	pthread_mutex_unlock(&migf->lock);
	if (ret)
		return ret;
	mtty_card_lock(card);
	for (unsigned int i = 0; i < card->nr_ports; i++) {
		card->ports->port[card->number[i]].uart = uart[i];
		mtty_port_replaced(card->ports, card->number[i]);
		card->told[i] = 0;
	}
	mtty_card_unlock(card);
	return 0;
}

/* Which of the arcs of vfio_mig_get_next_state() need anything done. */
static int step(struct mtty_card *card, enum vfio_device_mig_state cur,
		enum vfio_device_mig_state new, struct file **file)
{
	struct mtty_mig *mig = card->mig;
	int ret = 0;

	if (new == VFIO_DEVICE_STATE_STOP_COPY ||
	    ((new == VFIO_DEVICE_STATE_PRE_COPY || new == VFIO_DEVICE_STATE_PRE_COPY_P2P) &&
	     (cur == VFIO_DEVICE_STATE_RUNNING || cur == VFIO_DEVICE_STATE_RUNNING_P2P)))
		return save(card, new, file);
	if (new == VFIO_DEVICE_STATE_RESUMING) {
		ret = open_file(mig, &resume_ops, &mig->resuming);
		if (!ret)
			*file = file_get(mig->resuming->file);
		return ret;
	}
	if (cur == VFIO_DEVICE_STATE_RESUMING)
		ret = load(card);
	/* Out of a transfer, by any way but from PRE_COPY to its P2P state and back. */
	if (!ret && new != VFIO_DEVICE_STATE_PRE_COPY &&new != VFIO_DEVICE_STATE_PRE_COPY_P2P)
		disable_all(mig);
	return ret;
}

static int set_state(struct vfio_device *vdev, enum vfio_device_mig_state new_state,
		     struct file **file)
{
	struct mtty_card *card = to_card(vdev);
	struct mtty_mig *mig = card->mig;
	enum vfio_device_mig_state next;
	int ret = 0;

	pthread_mutex_lock(&mig->lock);
	while (mig->state != new_state && !ret) {
		ret = vfio_mig_get_next_state(vdev, mig->state, new_state, &next);
		if (!ret)
			ret = step(card, mig->state, next, file);
		if (!ret)
			enter(card, next);
	}
	pthread_mutex_unlock(&mig->lock);
	return ret;
}

static int get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	struct mtty_mig *mig = to_card(vdev)->mig;

	pthread_mutex_lock(&mig->lock);
	*state = mig->state;
	pthread_mutex_unlock(&mig->lock);
	return 0;
}

static int get_data_size(struct vfio_device *vdev, uint64_t *stop_copy_length)
{
	*stop_copy_length = mtty_stream_size(to_card(vdev)->mig->nr_ports);
	return 0;
}

const struct vfio_migration_ops mtty_migration_ops = {
	.set_state = set_state,
	.get_state = get_state,
	.get_data_size = get_data_size,
};

/* ---- DMA logging: there is no DMA ------------------------------------------------------------ */

static int log_start(struct vfio_device *vdev, const struct vfio_log_range *ranges, size_t nranges,
		     uint64_t *page_size)
{
	return 0;
}

static int log_stop(struct vfio_device *vdev)
{
	return 0;
}

static int log_read_and_clear(struct vfio_device *vdev, iova_t iova, uint64_t length,
			      struct iova_bitmap *dirty)
{
	return 0;
}

const struct vfio_log_ops mtty_log_ops = {
	.log_start = log_start,
	.log_stop = log_stop,
	.log_read_and_clear = log_read_and_clear,
};

/* ---- the card's life ------------------------------------------------------------------------- */

int mtty_mig_create(struct mtty_card *card)
{
	struct mtty_mig *mig = FAIL_POINT() ? NULL : calloc(1, sizeof(*mig));

	if (!mig)
		return -ENOMEM;
	mig->refs = 1;
	mig->state = VFIO_DEVICE_STATE_RUNNING;
	mig->nr_ports = card->nr_ports;
	pthread_mutex_init(&mig->lock, NULL);
	card->mig = mig;
	card->vdev.mig_ops = &mtty_migration_ops;
	card->vdev.log_ops = &mtty_log_ops;
	card->vdev.migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				     VFIO_MIGRATION_PRE_COPY;
	return 0;
}

void mtty_mig_destroy(struct mtty_card *card)
{
	mtty_mig_close(card);
	mig_put(card->mig);
	card->mig = NULL;
}

void mtty_mig_close(struct mtty_card *card)
{
	pthread_mutex_lock(&card->mig->lock);
	disable_all(card->mig);
	pthread_mutex_unlock(&card->mig->lock);
}

void mtty_mig_reset(struct mtty_card *card)
{
	pthread_mutex_lock(&card->mig->lock);
	enter(card, VFIO_DEVICE_STATE_RUNNING);
	disable_all(card->mig);
	pthread_mutex_unlock(&card->mig->lock);
}

bool mtty_mig_stopped(struct mtty_card *card)
{
	bool stopped;

	pthread_mutex_lock(&card->mig->lock);
	stopped = stands_still(card->mig->state);
	pthread_mutex_unlock(&card->mig->lock);
	return stopped;
}
