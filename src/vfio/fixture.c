/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio/fixture.h"

#include <errno.h>
#include <linux/capability.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/depth.h"
#include "base/overflow.h"
#include "base/fault.h"

struct fixture fx;

/* Device i is in group MIN(i, 2). */
static unsigned int group_of_dev(unsigned int i)
{
	return MIN(i, FIXTURE_GROUPS - 1);
}

static struct fixture_device *from_vdev(struct vfio_device *vdev)
{
	return vdev->priv;
}

/* ---- the fake device ------------------------------------------------------------------------- */

static int fake_open(struct vfio_device *vdev)
{
	struct fixture_device *dev = from_vdev(vdev);

	if (dev->open_error)
		return dev->open_error;
	dev->opens++;
	return 0;
}

static void fake_close(struct vfio_device *vdev)
{
	from_vdev(vdev)->closes++;
}

static int fake_get_info(struct vfio_device *vdev, struct vfio_device_info *info,
			 struct vfio_info_cap *caps)
{
	struct vfio_device_info_cap_pci_atomic_comp cap = {
		.header = { .id = VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, .version = 1 },
		.flags = VFIO_PCI_ATOMIC_COMP32,
	};

	info->flags = VFIO_DEVICE_FLAGS_PCI;
	info->num_regions = 2;
	info->num_irqs = 2;
	return vfio_info_add_capability(caps, &cap.header, sizeof(cap));
}

static int fake_get_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
				struct vfio_info_cap *caps)
{
	struct {
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area;
	} sparse = {
		.cap = { .header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1 },
			 .nr_areas = 1 },
		.area = { .offset = 0, .size = 0x1000 },
	};
	struct vfio_info_cap_header msix = { .id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
					     .version = 1 };
	int ret;

	if (info->index > 1)
		return -EINVAL;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info->size = info->index ? 0 : FIXTURE_REGION;
	info->offset = (uint64_t)info->index << 40;
	if (info->index)
		return 0;
	ret = vfio_info_add_capability(caps, &sparse.cap.header, sizeof(sparse));
	return ret ? ret : vfio_info_add_capability(caps, &msix, sizeof(msix));
}

static int fake_get_irq_info(struct vfio_device *vdev, struct vfio_irq_info *info)
{
	if (info->index > 1)
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = info->index ? 0 : FIXTURE_IRQS;
	return 0;
}

static int fake_set_irqs(struct vfio_device *vdev, uint32_t flags, unsigned int index,
			 unsigned int start, unsigned int count, const void *data)
{
	struct fixture_device *dev = from_vdev(vdev);

	ck_assert_uint_le(start + count, FIXTURE_IRQS);
	ck_assert_int_eq(pthread_mutex_trylock(&vdev->lock), EBUSY);
	dev->irq_flags = flags;
	dev->irq_index = index;
	dev->irq_start = start;
	dev->irq_count = count;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		memcpy(dev->irq_data, data, count * sizeof(int32_t));
	return 0;
}

static int fake_reset(struct vfio_device *vdev)
{
	from_vdev(vdev)->resets++;
	return 0;
}

static ssize_t fake_region(struct vfio_device *vdev, unsigned int region, uint64_t off, void *buf,
			   size_t count, bool write)
{
	uint8_t *mem = from_vdev(vdev)->mem;

	if (region || off >= FIXTURE_REGION)
		return -EINVAL;
	count = MIN(count, FIXTURE_REGION - off);
	memcpy(write ? mem + off : buf, write ? buf : mem + off, count);
	return (ssize_t)count;
}

static ssize_t fake_read(struct vfio_device *vdev, unsigned int region, uint64_t off, void *buf,
			 size_t count)
{
	return fake_region(vdev, region, off, buf, count, false);
}

static ssize_t fake_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
			  const void *buf, size_t count)
{
	return fake_region(vdev, region, off, (void *)(uintptr_t)buf, count, true);
}

static int fake_mmap(struct vfio_device *vdev, unsigned int region, uint64_t off, uint64_t len,
		     int prot, int flags)
{
	if (region || !(flags & MAP_SHARED) || !range_within(off, len, FIXTURE_REGION))
		return -EINVAL;
	return 0;
}

static uint64_t fake_mmio_read(struct vfio_device *vdev, unsigned int region, uint64_t off,
			       unsigned int width, bool nested)
{
	uint64_t value = 0;

	/* Only devices get here, by DMA. */
	ck_assert(nested);
	ck_assert_uint_le(off + width, FIXTURE_REGION);
	ck_assert(IS_ALIGNED(off, width));
	memcpy(&value, from_vdev(vdev)->mem + off, width);
	return value;
}

static void fake_mmio_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
			    unsigned int width, uint64_t value, bool nested)
{
	ck_assert(nested);
	ck_assert_uint_le(off + width, FIXTURE_REGION);
	ck_assert(IS_ALIGNED(off, width));
	memcpy(from_vdev(vdev)->mem + off, &value, width);
}

static void fake_request(struct vfio_device *vdev, unsigned int count)
{
	struct fixture_device *dev = from_vdev(vdev);

	ck_assert_int_eq((int)count, dev->requests);
	dev->requests++;
	if (dev->release_on_request)
		fx_close(dev->closing_fd);
}

/* Feature 3 takes and gives 8 bytes, adding 1. */
static int fake_feature(struct vfio_device *vdev, uint32_t flags, uint32_t feature, void *data,
			size_t size)
{
	from_vdev(vdev)->feature_flags = flags;
	if (feature != 3)
		return -ENOTTY;
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (size < sizeof(uint64_t))
		return -EINVAL;
	++*(uint64_t *)data;
	return 0;
}

static long fake_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	return cmd == VFIO_DEVICE_GET_PCI_HOT_RESET_INFO ? (long)arg : -ENOTTY;
}

static const struct vfio_device_ops fixture_ops = {
	.name = "fake",
	.open_device = fake_open,
	.close_device = fake_close,
	.get_info = fake_get_info,
	.get_region_info = fake_get_region_info,
	.get_irq_info = fake_get_irq_info,
	.set_irqs = fake_set_irqs,
	.reset = fake_reset,
	.region_read = fake_read,
	.region_write = fake_write,
	.mmap = fake_mmap,
	.mmio_read = fake_mmio_read,
	.mmio_write = fake_mmio_write,
	.request = fake_request,
	.device_feature = fake_feature,
	.ioctl = fake_ioctl,
};

/* ---- the environment ------------------------------------------------------------------------- */

static struct iommu_group *env_group_of(void *arg, struct device *dev)
{
	unsigned int i = (unsigned int)(container_of(dev, struct fixture_device, dev) - fx.devs);

	return iommu_group_of(fx.devs[i].iommu);
}

static bool env_viable(void *arg, struct iommu_group *group)
{
	return fx.viable[iommu_group_id(group)];
}

static int env_claim(void *arg, unsigned int id)
{
	if (fx.busy_elsewhere)
		return -EBUSY;
	fx.claims[id]++;
	return 0;
}

static void env_release(void *arg, unsigned int id)
{
	fx.claims[id]--;
}

static unsigned int env_limit(void *arg)
{
	return fx.dma_entry_limit;
}

static bool env_hugepages(void *arg)
{
	return fx.disable_hugepages;
}

static bool env_unsafe(void *arg)
{
	return fx.allow_unsafe;
}

static bool env_capable(void *arg, int cap)
{
	return cap != CAP_SYS_RAWIO || !fx.no_rawio;
}

static bool env_noiommu(void *arg)
{
	return fx.noiommu;
}

/* The first one is fx.made; further ones are for tests of several such devices. */
static int env_group_alloc(void *arg, struct device *dev, struct iommu_group **out)
{
	unsigned int i = 0;

	while (i < FIXTURE_MADE && fx.made_for[i])
		i++;
	ck_assert_uint_lt(i, FIXTURE_MADE);
	ck_assert_int_eq(iommu_group_create(FIXTURE_NOIOMMU + i, &fx.made_groups[i]), 0);
	fx.made_for[i] = dev;
	*out = fx.made_groups[i];
	fx.made = fx.made_groups[0];
	return 0;
}

static void env_group_free(void *arg, struct device *dev)
{
	unsigned int i = 0;

	while (i < FIXTURE_MADE && fx.made_for[i] != dev)
		i++;
	ck_assert_uint_lt(i, FIXTURE_MADE);
	iommu_group_destroy(fx.made_groups[i]);
	fx.made_groups[i] = NULL;
	fx.made_for[i] = NULL;
	fx.made = fx.made_groups[0];
}

static void env_add_taint(void *arg, unsigned int flag)
{
	fx.taints |= 1U << flag;
}

void fixture_setup_with(enum iommu_model model, enum iommu_model second, uint64_t memlock)
{
	struct vfio_env env = {
		.group_of = env_group_of,
		.group_viable = env_viable,
		.group_claim = env_claim,
		.group_release = env_release,
		.dma_entry_limit = env_limit,
		.disable_hugepages = env_hugepages,
		.allow_unsafe_interrupts = env_unsafe,
		.capable = env_capable,
		.noiommu = env_noiommu,
		.group_alloc = env_group_alloc,
		.group_free = env_group_free,
		.add_taint = env_add_taint,
	};
	struct fixture_device *dev;

	depth_enter();
	memset(&fx, 0, sizeof(fx));
	fx.dma_entry_limit = 65535;
	fx.allow_unsafe = true;
	for (unsigned int i = 0; i < FIXTURE_MADE; i++)
		fx.viable[FIXTURE_NOIOMMU + i] = true;
	ck_assert_int_eq(fault_init(), 0);
	ck_assert_int_eq(hostmem_create(memlock, &fx.hm), 0);
	ck_assert_int_eq(iommu_create(model, "unit0", &fx.unit), 0);
	ck_assert_int_eq(iommu_create(second, "unit1", &fx.other_unit), 0);
	env.hm = fx.hm;
	ck_assert_int_eq(vfio_core_create(&env, &fx.core), 0);
	vfio_core_set(fx.core);
	ck_assert_int_eq(vfio_register_iommu_driver(fx.core, &vfio_iommu_driver_ops_type1), 0);
	for (unsigned int i = 0; i < FIXTURE_GROUPS; i++) {
		ck_assert_int_eq(iommu_group_create(i, &fx.groups[i]), 0);
		fx.viable[i] = true;
	}
	for (unsigned int i = 0; i < FIXTURE_DEVICES; i++) {
		dev = &fx.devs[i];
		snprintf(dev->dev.name, sizeof(dev->dev.name), "0000:0%u:00.0", i + 1);
		/* Group 1 is behind the second unit. */
		ck_assert_int_eq(iommu_dev_create(i == 1 ? fx.other_unit : fx.unit, (i + 1) << 8,
						  dev->dev.name, &dev->iommu),
				 0);
		iommu_group_add_device(fx.groups[group_of_dev(i)], dev->iommu);
		dma_set_master(dev->iommu, true);
		ck_assert_int_eq(vfio_init_device(&dev->vdev, &dev->dev, &fixture_ops, dev), 0);
		ck_assert_int_eq(vfio_register_group_dev(&dev->vdev, VFIO_IOMMU), 0);
	}
}

void fixture_setup(void)
{
	fixture_setup_with(IOMMU_MODEL_AMD, IOMMU_MODEL_AMD, UINT64_MAX);
}

void fixture_teardown(void)
{
	for (unsigned int i = 0; i < FIXTURE_DEVICES; i++) {
		if (fx.devs[i].vdev.group)
			vfio_unregister_group_dev(&fx.devs[i].vdev);
		iommu_group_remove_device(fx.devs[i].iommu);
		iommu_dev_destroy(fx.devs[i].iommu);
	}
	for (unsigned int i = 0; i < FIXTURE_GROUPS; i++) {
		ck_assert_int_eq(fx.claims[i], 0);
		iommu_group_destroy(fx.groups[i]);
	}
	ck_assert(list_empty(&fx.core->groups));
	ck_assert(list_empty(&fx.core->windows));
	vfio_unregister_iommu_driver(fx.core, &vfio_iommu_driver_ops_type1);
	vfio_core_destroy(fx.core);
	iommu_destroy(fx.unit);
	iommu_destroy(fx.other_unit);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	hostmem_destroy(fx.hm);
	depth_leave();
}

/* ---- files ----------------------------------------------------------------------------------- */

static int install(int ret, struct file *file)
{
	if (ret)
		return ret;
	ret = file_install(file, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(ret, 0);
	return ret;
}

int fx_open_container(void)
{
	struct file *file = NULL;
	int ret = vfio_container_open(fx.core, O_RDWR, &file);

	return install(ret, file);
}

int fx_open_group(unsigned int id)
{
	struct file *file = NULL;
	int ret = vfio_group_open(fx.core, id, O_RDWR, &file);

	return install(ret, file);
}

long fx_ioctl(int fd, unsigned int cmd, void *arg)
{
	struct file *file = file_from_fd(fd);
	long ret;

	ck_assert_ptr_nonnull(file);
	ret = file_ioctl(file, cmd, (unsigned long)arg);
	file_put(file);
	return ret;
}

void fx_close(int fd)
{
	file_fd_close(fd);
	close(fd);
}

ssize_t fx_pread(int fd, void *buf, size_t count, uint64_t off)
{
	struct file *file = file_from_fd(fd);
	ssize_t ret = file_pread(file, (uintptr_t)buf, count, off);

	file_put(file);
	return ret;
}

ssize_t fx_pwrite(int fd, const void *buf, size_t count, uint64_t off)
{
	struct file *file = file_from_fd(fd);
	ssize_t ret = file_pwrite(file, (uintptr_t)buf, count, off);

	file_put(file);
	return ret;
}

struct fx_open fx_open_all(unsigned long type)
{
	struct fx_open open;

	open.container = fx_open_container();
	open.group = fx_open_group(0);
	ck_assert_int_ge(open.group, 0);
	ck_assert_int_eq(fx_ioctl(open.group, VFIO_GROUP_SET_CONTAINER, &open.container), 0);
	ck_assert_int_eq(fx_ioctl(open.container, VFIO_SET_IOMMU, (void *)type), 0);
	open.device = (int)fx_ioctl(open.group, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name);
	ck_assert_int_ge(open.device, 0);
	return open;
}

void fx_close_all(struct fx_open *open)
{
	fx_close(open->device);
	fx_close(open->group);
	fx_close(open->container);
}

long fx_map(int container, uint32_t flags, const void *vaddr, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)vaddr,
		.iova = iova,
		.size = size,
	};

	return fx_ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

long fx_unmap(int container, uint32_t flags, uint64_t iova, uint64_t *size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = *size,
	};
	long ret = fx_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	*size = unmap.size;
	return ret;
}

void *fx_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(mem, MAP_FAILED);
	memset(mem, 0x5a, size);
	return mem;
}

int fixture_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
