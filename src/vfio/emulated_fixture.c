/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio/emulated_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"

struct emulated emu[2];
char *emu_mem;
char emu_log[4096];
static struct device card = { .name = "card" };
static int emu_container;

static void log_sink(void *arg, enum log_level level, const char *message)
{
	strncat(emu_log, message, sizeof(emu_log) - strlen(emu_log) - 1);
}

static void emu_dma_unmap(struct vfio_device *vdev, iova_t iova, uint64_t len)
{
	struct emulated *e = vdev->priv;

	e->last_iova = iova;
	e->last_len = len;
	atomic_fetch_add(&e->unmaps, 1);
	if (e->meanwhile)
		e->meanwhile();
	if (!e->obeys || !e->npages)
		return;
	if (e->pinned < iova || e->pinned - iova >= len)
		return;
	vfio_unpin_pages(vdev, e->pinned, e->npages);
	e->npages = 0;
}

static int emu_get_info(struct vfio_device *vdev, struct vfio_device_info *info,
			struct vfio_info_cap *caps)
{
	info->flags = VFIO_DEVICE_FLAGS_PCI;
	info->num_regions = info->num_irqs = 0;
	return 0;
}

const struct vfio_device_ops emu_ops = {
	.name = "emu",
	.get_info = emu_get_info,
	.dma_unmap = emu_dma_unmap,
};
const struct vfio_device_ops emu_deaf_ops = { .name = "deaf", .get_info = emu_get_info };

void emu_setup_with(uint64_t memlock, void (*before)(struct emulated *e))
{
	memset(emu, 0, sizeof(emu));
	emu_log[0] = '\0';
	emu_container = -1;
	log_set_sink(log_sink, NULL);
	fixture_setup_with(IOMMU_MODEL_AMD, IOMMU_MODEL_INTEL, memlock);
	emu_mem = fx_memory(64 * PAGE);
	for (unsigned int i = 0; i < ARRAY_SIZE(emu); i++) {
		struct emulated *e = &emu[i];

		snprintf(e->dev.name, sizeof(e->dev.name), "emulated-%u", i);
		e->dev.parent = &card;
		ck_assert_int_eq(vfio_init_device(&e->vdev, &e->dev, &emu_ops, e), 0);
		if (before)
			before(e);
		ck_assert_int_eq(vfio_register_group_dev(&e->vdev, VFIO_EMULATED_IOMMU), 0);
		e->obeys = true;
		e->fd = e->group = -1;
	}
}

void emu_setup(void)
{
	emu_setup_with(UINT64_MAX, NULL);
}

int emu_join(unsigned int id, int container)
{
	int group = fx_open_group(id);

	ck_assert_int_ge(group, 0);
	ck_assert_int_eq(fx_ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	return group;
}

static void open_device(unsigned int i)
{
	struct emulated *e = &emu[i];

	e->fd = (int)fx_ioctl(e->group, VFIO_GROUP_GET_DEVICE_FD, e->dev.name);
	ck_assert_int_ge(e->fd, 0);
}

int emu_start_type(unsigned long type)
{
	emu_container = fx_open_container();
	emu[0].group = emu_join(FIXTURE_NOIOMMU, emu_container);
	ck_assert_int_eq(fx_ioctl(emu_container, VFIO_SET_IOMMU, (void *)type), 0);
	open_device(0);
	return emu_container;
}

int emu_start(void)
{
	return emu_start_type(VFIO_TYPE1v2_IOMMU);
}

void emu_add(unsigned int i, int container)
{
	emu[i].group = emu_join(FIXTURE_NOIOMMU + i, container);
	open_device(i);
}

void emu_add_second(int container)
{
	emu_add(1, container);
}

void emu_close(unsigned int i)
{
	if (emu[i].fd >= 0)
		fx_close(emu[i].fd);
	if (emu[i].group >= 0)
		fx_close(emu[i].group);
	emu[i].fd = emu[i].group = -1;
}

void emu_teardown(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(emu); i++)
		emu_close(i);
	if (emu_container >= 0)
		fx_close(emu_container);
	for (unsigned int i = 0; i < ARRAY_SIZE(emu); i++)
		vfio_unregister_group_dev(&emu[i].vdev);
	munmap(emu_mem, 64 * PAGE);
	fixture_teardown();
	log_set_sink(NULL, NULL);
}

uint64_t emu_unmap(int container, uint64_t iova, uint64_t size)
{
	ck_assert_int_eq(fx_unmap(container, 0, iova, &size), 0);
	return size;
}

int emu_pin(unsigned int i, iova_t iova, int npage, int prot, paddr_t *pages)
{
	return vfio_pin_pages(&emu[i].vdev, iova, npage, prot, pages);
}

void emu_unpin(unsigned int i, iova_t iova, int npage)
{
	vfio_unpin_pages(&emu[i].vdev, iova, npage);
}
