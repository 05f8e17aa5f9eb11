/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Physical memory of a machine without an IOMMU: hostmem's frames behind the functions' DMA
 * (iommu/bypass.h). The session's file `frames`, which only such a session has, holds what its
 * processes must agree on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "hostmem/frames.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"

bool machine_without_iommu(const struct session *session)
{
	char path[4096];

	return !session_path(session, "frames", path, sizeof(path)) && !access(path, F_OK);
}

/* ---- what the functions ask ---------------------------------------------------------------- */

static int translate(void *arg, paddr_t addr, bool write, paddr_t *host, uint64_t *contig,
		     struct pgtable_ref *ref)
{
	struct uvfio_machine *machine = arg;

	struct frames_ref at;
	int ret = frames_translate(machine->frames, addr, write, host, contig, &at);

	if (!ret)
		*ref = (struct pgtable_ref){ .table = at.table,
					     .mask = at.mask,
					     .page_mask = at.page_mask };
	return ret;
}

static void explain(void *arg, struct dma_fault *fault)
{
	struct uvfio_machine *machine = arg;
	unsigned int bus;

	if (pci_bar_window(fault->iova, &bus))
		snprintf(fault->what, sizeof(fault->what),
			 "BARs of devices on PCI bus %02x: devices do not reach each other", bus);
	else
		frames_explain(machine->frames, fault->iova, fault->write, fault->what,
			       sizeof(fault->what));
}

static const struct iommu_bypass_ops bypass_ops = { .translate = translate,
						    .fault = explain,
						    .bits = { .need = { FRAMES_NEED_READ,
									FRAMES_NEED_WRITE },
							      .clear = FRAMES_CLEAR,
							      .addr = FRAMES_ADDR } };

static void sync_devices(void *arg)
{
	iommu_bypass_sync();
}

static void thaw_devices(void *arg)
{
	iommu_bypass_thaw();
}

static const struct frames_ops frames_ops = { .sync = sync_devices, .thaw = thaw_devices };

/* ---- life ---------------------------------------------------------------------------------- */

static int open_shared(struct uvfio_machine *machine, bool create)
{
	char path[4096];
	int fd, ret = session_path(machine->session, "frames", path, sizeof(path));

	if (ret)
		return ret;
	fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
	if (fd < 0)
		return -errno;
	/* Every page now: a full file system says so here. */
	ret = create ? posix_fallocate(fd, 0, (off_t)frames_shared_size()) : 0;
	if (ret) {
		close(fd);
		return -ret;
	}
	return fd_move_high(fd);
}

int machine_frames_create(struct uvfio_machine *machine, bool create)
{
	void *shared;
	int ret;

	ret = machine->frames_fd = open_shared(machine, create);
	if (ret < 0)
		return ret;
	shared = mmap(NULL, frames_shared_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		      machine->frames_fd, 0);
	if (shared == MAP_FAILED)
		return -errno;
	machine->frames_shared = shared;
	ret = frames_create(shared, machine->frames_fd, &frames_ops, NULL, &machine->frames);
	if (ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE)
		return ret;
	/* A host without /proc: nobody can ask for an address, and each DMA is a fault. */
	if (ret) {
		pr_err("no physical addresses: /proc/self/pagemap cannot be read");
		return 0;
	}
	machine->bypass.arg = machine;
	machine->bypass.ops = &bypass_ops;
	return 0;
}

void machine_frames_destroy(struct uvfio_machine *machine)
{
	machine->bypass.ops = NULL;
	frames_destroy(machine->frames);
	machine->frames = NULL;
	if (machine->frames_shared)
		munmap(machine->frames_shared, frames_shared_size());
	machine->frames_shared = NULL;
	if (machine->frames_fd >= 0)
		fd_close(machine->frames_fd);
	machine->frames_fd = -1;
}

struct frames *machine_frames(struct uvfio_machine *machine)
{
	return machine->frames;
}
