/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a mapping's bytes are: the program's memory, pinned (hostmem/), or another device's region
 * that the program has mapped, reached through a window (p2p.c). Mostly it is one piece; a mixture
 * has one for each run.
 *
 * Memory that the program takes away while it is mapped is moved aside by hostmem; between freeze
 * and moved all domains have the entries frozen, and no domain joins (iommu->moving).
 */
#include "vfio/type1_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/failpoint.h"

/* ---- the program takes memory away ----------------------------------------------------------- */

static iova_t pin_iova(const struct vfio_piece *piece, uintptr_t addr)
{
	return vfio_dma_iova(piece->dma) + piece->off + (addr - piece->pin.addr);
}

static void pin_freeze(struct hostmem_pin *pin, uintptr_t addr, size_t len)
{
	struct vfio_piece *piece = pin->priv;
	struct vfio_iommu *iommu = piece->dma->iommu;
	struct vfio_domain *d;

	pthread_mutex_lock(&iommu->domains_lock);
	iommu->moving += len;
	list_for_each_entry(d, &iommu->domains, node)
		iommu_freeze(d->domain, pin_iova(piece, addr), len);
	pthread_mutex_unlock(&iommu->domains_lock);
}

static void pin_moved(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr)
{
	struct vfio_piece *piece = pin->priv;
	struct vfio_iommu *iommu = piece->dma->iommu;
	struct vfio_domain *d;

	pthread_mutex_lock(&iommu->domains_lock);
	list_for_each_entry(d, &iommu->domains, node)
		iommu_thaw(d->domain, pin_iova(piece, addr), len, new_addr);
	iommu->moving -= len;
	if (!iommu->moving)
		pthread_cond_broadcast(&iommu->settled);
	pthread_mutex_unlock(&iommu->domains_lock);
}

static const struct hostmem_pin_ops pin_ops = { .freeze = pin_freeze, .moved = pin_moved };

void vfio_iommu_lock_domains(struct vfio_iommu *iommu)
{
	pthread_mutex_lock(&iommu->domains_lock);
	while (iommu->moving)
		pthread_cond_wait(&iommu->settled, &iommu->domains_lock);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/*
 * The run that starts at @addr, at most @len bytes: memory, or one mapping of a file with one
 * protection. Returns its length; *@file is NULL for memory.
 */
static uint64_t find_run(struct vfio_core *core, uintptr_t addr, uint64_t len, struct file **file,
			 uint64_t *off)
{
	const int prot = file_mapping_prot(addr);
	struct file *next;
	uint64_t run, next_off;

	*file = vfio_p2p_find(core, addr, off);
	for (run = file_mapping_run(addr, len); run < len;
	     run += file_mapping_run(addr + run, len - run)) {
		next = vfio_p2p_find(core, addr + run, &next_off);
		if (next != *file || (next && next_off != *off + run) ||
		    file_mapping_prot(addr + run) != prot)
			break;
	}
	return run;
}

static int piece_pin(struct vfio_piece *piece, struct file *file, uint64_t off)
{
	struct vfio_dma *dma = piece->dma;
	struct vfio_core *core = dma->iommu->core;

	piece->p2p = NULL;
	if (file) {
		/* As for memory, the program may let a device do what it may do itself. */
		if (dma->prot & IOMMU_WRITE &&
		    !(file_mapping_prot(dma->vaddr + piece->off) & PROT_WRITE))
			return -EFAULT;
		return vfio_p2p_create(core, file, off, piece->len, &piece->p2p);
	}
	return hostmem_pin(core->env.hm, dma->vaddr + piece->off, piece->len,
			   dma->prot & IOMMU_WRITE, &pin_ops, piece, &piece->pin);
}

static void piece_unpin(struct vfio_piece *piece)
{
	if (piece->p2p)
		vfio_p2p_destroy(piece->p2p);
	else
		hostmem_unpin(&piece->pin);
}

/* Some of the range is another device's region. */
static int pin_mixture(struct vfio_dma *dma)
{
	struct vfio_core *core = dma->iommu->core;
	struct vfio_piece *piece;
	uint64_t done, run, off;
	struct file *file;
	size_t count = 0;
	int ret;

	for (done = 0; done < dma->size; done += run, count++)
		run = find_run(core, dma->vaddr + done, dma->size - done, &file, &off);
	if (count > 1)
		dma->pieces = FAIL_POINT() ? NULL : calloc(count, sizeof(*dma->pieces));
	if (!dma->pieces)
		return -ENOMEM;
	for (done = 0; done < dma->size && dma->num_pieces < count; done += run) {
		run = find_run(core, dma->vaddr + done, dma->size - done, &file, &off);
		piece = &dma->pieces[dma->num_pieces];
		piece->dma = dma;
		piece->off = done;
		piece->len = run;
		ret = piece_pin(piece, file, off);
		if (ret) {
			vfio_dma_unpin(dma);
			return ret;
		}
		dma->num_pieces++;
	}
	if (done < dma->size) { /* another thread maps and unmaps there */
		vfio_dma_unpin(dma);
		return -EFAULT;
	}
	return 0;
}

int vfio_dma_pin(struct vfio_dma *dma)
{
	struct vfio_piece *piece = &dma->single;
	int ret;

	dma->pieces = piece;
	dma->num_pieces = 0;
	if (file_find_mapping(dma->vaddr, dma->size, NULL, NULL))
		return pin_mixture(dma);
	piece->dma = dma;
	piece->off = 0;
	piece->len = dma->size;
	ret = piece_pin(piece, NULL, 0);
	if (!ret)
		dma->num_pieces = 1;
	return ret;
}

void vfio_dma_unpin(struct vfio_dma *dma)
{
	for (size_t i = 0; i < dma->num_pieces; i++)
		piece_unpin(&dma->pieces[i]);
	dma->num_pieces = 0;
	if (dma->pieces != &dma->single)
		free(dma->pieces);
	dma->pieces = &dma->single;
}

bool vfio_dma_moved(struct vfio_dma *dma)
{
	for (size_t i = 0; i < dma->num_pieces; i++)
		if (!dma->pieces[i].p2p && hostmem_pin_moved(&dma->pieces[i].pin))
			return true;
	return false;
}

/* In one go, or a page at a time when large ones are not wanted. */
static int enter_run(struct vfio_dma *dma, struct iommu_domain *domain, iova_t iova, paddr_t paddr,
		     uint64_t len)
{
	const struct vfio_env *env = &dma->iommu->core->env;
	uint64_t step = env->disable_hugepages(env->arg) ? HOST_PAGE_SIZE : len, done;
	int ret = 0;

	for (done = 0; done < len && !ret; done += step)
		ret = iommu_map(domain, iova + done, paddr + done, step, dma->prot);
	if (ret && done > step)
		iommu_unmap(domain, iova, done - step);
	return ret;
}

int vfio_dma_enter(struct vfio_dma *dma, struct iommu_domain *domain)
{
	const struct vfio_piece *piece;
	paddr_t paddr;
	int ret;

	for (size_t i = 0; i < dma->num_pieces; i++) {
		piece = &dma->pieces[i];
		paddr = piece->p2p ? vfio_p2p_base(piece->p2p) : piece->pin.addr;
		ret = enter_run(dma, domain, vfio_dma_iova(dma) + piece->off, paddr, piece->len);
		if (ret) {
			if (piece->off)
				iommu_unmap(domain, vfio_dma_iova(dma), piece->off);
			return ret;
		}
	}
	return 0;
}

int vfio_dma_copy(struct vfio_dma *dma, struct iommu_domain *from, struct iommu_domain *to)
{
	const iova_t iova = vfio_dma_iova(dma);
	uint64_t done, run;
	paddr_t paddr;
	int ret;

	for (done = 0; done < dma->size; done += run) {
		paddr = iommu_iova_to_phys(from, iova + done);
		for (run = HOST_PAGE_SIZE; done + run < dma->size; run += HOST_PAGE_SIZE)
			if (iommu_iova_to_phys(from, iova + done + run) != paddr + run)
				break;
		ret = iommu_map(to, iova + done, paddr, run, dma->prot);
		if (ret) {
			if (done)
				iommu_unmap(to, iova, done);
			return ret;
		}
	}
	return 0;
}
