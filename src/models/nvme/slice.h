/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slice: a controller of its own, on no bus, whose one namespace is a stretch of another
 * controller's medium. What the controller is told and tells is its own, the data is the other's;
 * who makes slices says when one may move data (struct nvme_gate).
 */
#ifndef MODELS_NVME_SLICE_H
#define MODELS_NVME_SLICE_H

#include "pci/pci.h"

/* Fields without functions: everything may go on. Called with the slice's dev->lock held, also in a
 * trap: no malloc, no lock, no wait. */
struct nvme_gate {
	/* An I/O command wants to move @bytes: 0, it may, and it has been counted; else it is asked
	 * for again in so many nanoseconds. */
	uint64_t (*admit)(void *arg, uint64_t bytes);
	/* Commands wait now (before the first admit() of a visit to the queues); at its end, with
	 * @waiting, whether some still do. */
	void (*enter)(void *arg);
	void (*leave)(void *arg, bool waiting);
	void *arg;
};

struct nvme_slice {
	struct pci_dev *card; /* a function of the model nvme; outlives the slice */
	uint64_t start, size; /* of its medium, bytes, multiples of a page */
	const char *uuid;     /* 36 characters: what serial number and NQN are made from */
	/* State that outlives the process (design D2a): NVME_SLICE_STATE bytes, aligned to 64.
	 * @fresh: nobody has used it before. */
	void *state;
	bool fresh;
	struct nvme_gate gate;
};

#define NVME_SLICE_STATE (PCI_SHARED_HEADER + 8192)

/* The medium of @card in bytes; 0: it is no controller with a medium of its own. */
uint64_t nvme_medium_size(const struct pci_dev *card);
/* What its slices may move together, bytes a second; 0: no limit. */
uint64_t nvme_medium_bandwidth(const struct pci_dev *card);
/* The range reads as zeroes from now on, and gives back what it took of the host. 0 or -EIO,
 * -ERANGE. No lock held. */
int nvme_medium_clear(struct pci_dev *card, uint64_t start, uint64_t size);
/*
 * Makes the function; pci_dev_destroy() ends it. Its requester (dev->iommu) is the caller's to set
 * before power on. 0, -EINVAL (no such card, malformed UUID), -ERANGE (outside the medium),
 * -ENOMEM.
 */
int nvme_slice_create(const struct nvme_slice *slice, struct pci_dev **out);

#endif
