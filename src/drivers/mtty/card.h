/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card as the process sees it that has it open: config space and ports as regions, interrupts,
 * migration. What the session shares of it (struct mtty_instance, struct mtty_ports) lies in the
 * mdev's and the parent's state.
 *
 * Locks: vdev->lock -> mig->lock -> the parent's lock (mtty_card_lock()), which guards registers,
 * lines and interrupts; a migration file's lock comes after mig->lock.
 */
#ifndef DRIVERS_MTTY_CARD_H
#define DRIVERS_MTTY_CARD_H

#include <pthread.h>
#include "drivers/mtty/port.h"
#include "mdev/mdev.h"
#include "vfio/vfio_device.h"

#define MTTY_CONFIG_SIZE 256
/* What region info says, as Linux's sample does: the last byte is not told of. */
#define MTTY_CONFIG_TOLD 255

struct irq_trigger;
struct mtty_host;
struct mtty_mig;

/* Of an instance, for the whole session. */
struct mtty_instance {
	uint8_t nr_ports;
	uint8_t config[MTTY_CONFIG_SIZE];
};

struct mtty_card {
	struct vfio_device vdev;
	struct mdev_device *mdev;
	struct mtty_instance *inst;
	struct mtty_ports *ports;
	/* This process' own: what others can write is no index. */
	unsigned int nr_ports;
	unsigned int number[MTTY_CARD_PORTS]; /* of its ports in struct mtty_ports */
	/* Interrupts: one index at a time, -1: none. The parent's lock. */
	int irq_index;
	struct irq_trigger *trigger;
	bool intx_masked;
	unsigned int told[MTTY_CARD_PORTS]; /* causes that have been signalled */
	/* Who moves characters and waits for others, while the card is open. */
	struct mtty_host *host[MTTY_CARD_PORTS];
	struct mtty_mig *mig;
};

static inline struct mtty_card *to_card(struct vfio_device *vdev)
{
	return vdev->priv;
}

/* The state that processes share; a port whose holder died has been reset. */
void mtty_card_lock(struct mtty_card *card);
void mtty_card_unlock(struct mtty_card *card);
/* Signals causes that are new. The parent's lock is held. */
void mtty_card_update_irq(struct mtty_card *card);

/* config.c */
void mtty_config_init(struct mtty_instance *inst);
/* [@off, @off + @len) lies in config space. Bytes that are read-only stay. */
void mtty_config_write(struct mtty_instance *inst, unsigned int off, const uint8_t *buf,
		       unsigned int len);

/* irq.c; the parent's lock is not held. */
int mtty_get_irq_info(struct vfio_device *vdev, struct vfio_irq_info *info);
int mtty_set_irqs(struct vfio_device *vdev, uint32_t flags, unsigned int index, unsigned int start,
		  unsigned int count, const void *data);
void mtty_irqs_close(struct mtty_card *card);

/* card.c */
extern const struct vfio_device_ops mtty_device_ops;

/* host.c: the process' side of @line for port @index, before it is plugged. 0 (NULL: it needs none)
 * or -errno: the file or pty cannot be had. */
int mtty_host_start(struct mtty_card *card, unsigned int index, const struct mtty_line *line,
		    struct mtty_host **out);
void mtty_host_stop(struct mtty_host *host); /* NULL: none */
/* The port's transmitter has something or its receiver has room. The parent's lock is held. */
void mtty_host_kick(struct mtty_host *host); /* NULL: nothing */

/* migrate.c */
extern const struct vfio_migration_ops mtty_migration_ops;
extern const struct vfio_log_ops mtty_log_ops;
int mtty_mig_create(struct mtty_card *card);
void mtty_mig_destroy(struct mtty_card *card);
/* The card is closed: data transfers end, the state stays, as in Linux's sample. */
void mtty_mig_close(struct mtty_card *card);
/* RUNNING again, whatever was going on. */
void mtty_mig_reset(struct mtty_card *card);
/* Whether the ports stand still now. */
bool mtty_mig_stopped(struct mtty_card *card);

#endif
