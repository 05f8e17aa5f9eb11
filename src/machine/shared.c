/* SPDX-License-Identifier: BSD-3-Clause */
/* The session file: mapped whole by everyone (machine/shared.h). */
#include "machine/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/machine_priv.h"
#include "machine/session_create.h"
#include "machine/session_priv.h"

/* Of the models' pieces: a cache line of its own for each end. */
#define PIECE_ALIGN 64U

static int shared_open(const struct session *session, int flags, mode_t mode)
{
	char path[4096];
	int ret = session_path(session, "shared", path, sizeof(path));

	if (ret)
		return ret;
	ret = open(path, flags | O_CLOEXEC, mode);
	return ret < 0 ? -errno : ret;
}

/* The header with its slots. */
static size_t header_size(size_t devices)
{
	return sizeof(struct shared_header) + devices * sizeof(struct shared_device);
}

/* Whether the slots lie in the file, so that a damaged one crashes nobody. */
static bool slots_valid(const struct shared_header *shared, uint64_t size)
{
	if (shared->num_devices > SHARED_MAX_DEVICES ||
	    shared->header_size != header_size(shared->num_devices) || shared->header_size > size)
		return false;
	for (uint32_t i = 0; i < shared->num_devices; i++) {
		const struct shared_device *slot = &shared->device[i];

		if (!memchr(slot->name, '\0', sizeof(slot->name)) ||
		    !memchr(slot->model, '\0', sizeof(slot->model)))
			return false;
		if (slot->size &&
		    (slot->offset < shared->header_size || !IS_ALIGNED(slot->offset, PIECE_ALIGN) ||
		     slot->offset > size || slot->size > size - slot->offset))
			return false;
	}
	return true;
}

int shared_map(struct session *session)
{
	int fd = shared_open(session, O_RDWR, 0), ret = 0;
	struct shared_header *shared;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		ret = -errno;
		goto out;
	}
	if ((uint64_t)st.st_size < sizeof(*shared)) {
		ret = -EINVAL;
		goto out;
	}
	shared = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		ret = -errno;
		goto out;
	}
	if (shared->magic != SHARED_MAGIC || shared->version != SHARED_VERSION ||
	    shared->file_size != (uint64_t)st.st_size ||
	    !slots_valid(shared, (uint64_t)st.st_size)) {
		munmap(shared, (size_t)st.st_size);
		ret = -EPROTO;
		goto out;
	}
	session->shared = shared;
	session->shared_len = (size_t)st.st_size;
out:
	close(fd);
	return ret;
}

void shared_unmap(struct session *session)
{
	if (session->shared)
		munmap(session->shared, session->shared_len);
	session->shared = NULL;
}

static void shared_fill(struct shared_header *shared, const struct session_identity *identity,
			const struct session_device *devices, size_t count, uint64_t size)
{
	uint64_t off = ALIGN_UP(header_size(count), PIECE_ALIGN);

	shared->version = SHARED_VERSION;
	shared->header_size = (uint32_t)header_size(count);
	shared->file_size = size;
	shared->uid = identity->uid;
	shared->gid = identity->gid;
	shared->caps = identity->caps;
	shared->memlock = identity->memlock;
	shared->host_caps = process_effective_caps();
	shared->owner = geteuid();
	shared->generation = 1;
	shared->num_devices = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		struct shared_device *slot = &shared->device[i];

		strncpy(slot->name, devices[i].name, sizeof(slot->name) - 1);
		memcpy(slot->model, devices[i].model, sizeof(slot->model));
		slot->endpoint = devices[i].endpoint;
		slot->rid = devices[i].rid;
		slot->group = ~0U;
		slot->fresh = 1;
		slot->offset = off;
		slot->size = PCI_SHARED_HEADER + devices[i].shared_size;
		off += ALIGN_UP(slot->size, PIECE_ALIGN);
	}
	shared->magic = SHARED_MAGIC;
}

int session_create_shared(struct session *session, const struct session_identity *identity,
			  const struct session_device *devices, size_t count)
{
	uint64_t size = ALIGN_UP(header_size(count), PIECE_ALIGN);
	struct shared_header *shared;
	int fd, ret;

	if (count > SHARED_MAX_DEVICES)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		size += ALIGN_UP(PCI_SHARED_HEADER + devices[i].shared_size, PIECE_ALIGN);
	fd = shared_open(session, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	/* Every page now: a full file system says so here, not as SIGBUS at a later store. */
	ret = posix_fallocate(fd, 0, (off_t)size);
	if (ret) {
		close(fd);
		return -ret;
	}
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		return -errno;
	shared_fill(shared, identity, devices, count, size);
	session->shared = shared;
	session->shared_len = size;
	return 0;
}

struct shared_header *session_shared(const struct session *session)
{
	return session->shared;
}

struct shared_device *shared_find_device(struct shared_header *shared, const char *name)
{
	for (uint32_t i = 0; i < shared->num_devices && i < SHARED_MAX_DEVICES; i++)
		if (!strncmp(shared->device[i].name, name, sizeof(shared->device[i].name)))
			return &shared->device[i];
	return NULL;
}

void shared_report_fault(struct shared_header *shared, const struct dma_fault *fault)
{
	uint64_t n = atomic_fetch_add(&shared->faults, 1);
	struct shared_fault *f;

	if (n >= SHARED_MAX_FAULTS)
		return;
	f = &shared->fault[n];
	f->pid = (uint32_t)getpid();
	prctl(PR_GET_NAME, f->comm);
	memcpy(f->name, fault->name, sizeof(f->name));
	f->name[sizeof(f->name) - 1] = '\0';
	f->iova = fault->iova;
	f->len = fault->len;
	f->write = fault->write;
	f->reason = fault->reason;
	memcpy(f->what, fault->what, sizeof(f->what));
	f->what[sizeof(f->what) - 1] = '\0';
	/* The reader takes only what is marked: release after the fields. */
	atomic_store_explicit(&f->ready, 1, memory_order_release);
}

const char *dma_fault_reason_text(uint32_t reason)
{
	switch (reason) {
	case DMA_FAULT_NOT_PRESENT:
		return "not mapped";
	case DMA_FAULT_PERMISSION:
		return "mapped without permission";
	case DMA_FAULT_NO_DOMAIN:
		return "device attached to no address space";
	case DMA_FAULT_BUS_MASTER:
		return "bus mastering is off";
	case DMA_FAULT_STALE:
		return "mapped, but the program's memory is gone";
	case DMA_FAULT_INTR_RESERVED:
	case DMA_FAULT_INTR_INDEX:
	case DMA_FAULT_INTR_ABSENT:
	case DMA_FAULT_INTR_COMPAT:
	case DMA_FAULT_INTR_SOURCE:
		return "interrupt stopped by the remapping";
	default:
		return "unknown reason";
	}
}
