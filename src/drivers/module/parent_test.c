/* SPDX-License-Identifier: BSD-3-Clause */
/* A parent of <uvfio/mdev.h>, driven as a user of its instance drives it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uvfio/mdev.h>

#include "drivers/module/parent.h"
#include "file/file.h"
#include "mdev/mdev.h"
#include "vfio/fixture.h"

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define IOVA 0x100000ULL

struct shared {
	uint32_t made, resets;
};

static struct device_core *core;
static struct uvfio_mdev_parent *parent;
static struct uvfio_mdev *card; /* while it is open */
static void *pinned;
static int probes, removes, unmaps;

static unsigned int card_available(struct uvfio_mdev_parent *p, const struct uvfio_mdev_type *type)
{
	return 3 - ((struct shared *)p->state)->made * (unsigned int)type->arg;
}

static int card_create(struct uvfio_mdev *dev)
{
	struct shared *shared = dev->parent->state;
	int ret = 0;

	uvfio_mdev_parent_lock(dev->parent);
	if (card_available(dev->parent, dev->type) > 3)
		ret = -ENOSPC;
	else
		shared->made++;
	uvfio_mdev_parent_unlock(dev->parent);
	*(uint32_t *)dev->state = 0x600d;
	/* Nobody has it open: nothing can be reached. */
	ck_assert_int_eq(uvfio_mdev_irq_raise(dev, 0, 0), -EINVAL);
	ck_assert_int_eq(uvfio_mdev_pin(dev, IOVA, 1, 1, &pinned), -EINVAL);
	ck_assert_int_eq(uvfio_mdev_dma_read(dev, IOVA, &ret, sizeof(ret)), -EINVAL);
	uvfio_mdev_unpin(dev, IOVA, 1);
	return ret;
}

static void card_destroy(struct uvfio_mdev *dev)
{
	((struct shared *)dev->parent->state)->made--;
}

static int card_probe(struct uvfio_mdev *dev)
{
	ck_assert_uint_eq(*(uint32_t *)dev->state, 0x600d);
	ck_assert_ptr_null(dev->data);
	dev->data = &probes;
	probes++;
	return 0;
}

static void card_remove(struct uvfio_mdev *dev)
{
	ck_assert_ptr_eq(dev->data, &probes);
	removes++;
}

static int card_open(struct uvfio_mdev *dev)
{
	card = dev;
	ck_assert_ptr_nonnull(uvfio_mdev_memory(dev, 1));
	ck_assert_ptr_null(uvfio_mdev_memory(dev, 0));
	return 0;
}

static void card_close(struct uvfio_mdev *dev)
{
	card = NULL;
}

static int card_reset(struct uvfio_mdev *dev)
{
	uvfio_mdev_lock(dev);
	((struct shared *)dev->parent->state)->resets++;
	uvfio_mdev_unlock(dev);
	return 0;
}

static ssize_t card_read(struct uvfio_mdev *dev, unsigned int region, uint64_t off, void *buf,
			 size_t count)
{
	ck_assert_uint_eq(region, 0);
	ck_assert_uint_le(off + count, 0x20);
	memset(buf, (int)off, count);
	return (ssize_t)count;
}

static ssize_t card_write(struct uvfio_mdev *dev, unsigned int region, uint64_t off,
			  const void *buf, size_t count)
{
	ck_assert_uint_eq(region, 0);
	return off ? -EIO : (ssize_t)count;
}

static void card_dma_unmap(struct uvfio_mdev *dev, uint64_t iova, uint64_t len)
{
	unmaps++;
	if (pinned)
		uvfio_mdev_unpin(dev, IOVA, 1);
	pinned = NULL;
}

static void card_dma_moved(struct uvfio_mdev *dev, uint64_t iova)
{
}

static const struct uvfio_mdev_type types[] = { { "one", "One", "A small one.", 1 },
						{ "two", NULL, NULL, 2 } };
static const struct uvfio_mdev_region regions[] = {
	{ 0x20, UVFIO_REGION_READ | UVFIO_REGION_WRITE },
	{ 0x1800, UVFIO_REGION_READ | UVFIO_REGION_WRITE | UVFIO_REGION_MMAP },
	{ 0, 0 },
	{ 0x1000, UVFIO_REGION_READ | UVFIO_REGION_MMAP },
};
static const struct uvfio_mdev_irq irqs[] = {
	{ 1, UVFIO_IRQ_EVENTFD | UVFIO_IRQ_MASKABLE | UVFIO_IRQ_AUTOMASKED },
	{ 4, UVFIO_IRQ_EVENTFD | UVFIO_IRQ_NORESIZE },
	{ 0, 0 },
	{ 0, 0 },
	{ 1, UVFIO_IRQ_EVENTFD },
};
static const struct uvfio_mdev_ops ops = {
	.version = UVFIO_MDEV_VERSION,
	.size = sizeof(struct uvfio_mdev_ops),
	.name = "card",
	.types = types,
	.num_types = ARRAY_SIZE(types),
	.num_regions = ARRAY_SIZE(regions),
	.regions = regions,
	.irqs = irqs,
	.num_irqs = ARRAY_SIZE(irqs),
	.parent_state_size = sizeof(struct shared),
	.state_size = 64,
	.available = card_available,
	.create = card_create,
	.destroy = card_destroy,
	.probe = card_probe,
	.remove = card_remove,
	.open = card_open,
	.close = card_close,
	.reset = card_reset,
	.read = card_read,
	.write = card_write,
	.dma_unmap = card_dma_unmap,
	.dma_moved = card_dma_moved,
};

static struct fx_open fd;

static struct mdev_type *find_type(const char *dir)
{
	return mdev_find_type(mdev_find_device(UUID)->parent, dir);
}

static int first_type(void *arg, struct mdev_parent *p)
{
	*(struct mdev_type **)arg = mdev_find_type(p, "card-one");
	return 1;
}

static void setup(void)
{
	struct mdev_type *type = NULL;
	char err[256] = "";

	probes = removes = unmaps = 0;
	pinned = NULL;
	fixture_setup();
	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(mdev_init(core, NULL), 0);
	ck_assert_int_eq(vfio_mdev_init(), 0);
	ck_assert_int_eq(module_parent_register(&ops, &parent, err, sizeof(err)), 0);
	mdev_for_each_parent(first_type, &type);
	ck_assert_int_eq(mdev_device_create(type, UUID), 0);
	fd.container = fx_open_container();
	fd.group = fx_open_group(FIXTURE_NOIOMMU);
	ck_assert_int_ge(fd.group, 0);
	ck_assert_int_eq(fx_ioctl(fd.group, VFIO_GROUP_SET_CONTAINER, &fd.container), 0);
	ck_assert_int_eq(fx_ioctl(fd.container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
	fd.device = (int)fx_ioctl(fd.group, VFIO_GROUP_GET_DEVICE_FD, UUID);
	ck_assert_int_ge(fd.device, 0);
	ck_assert_ptr_nonnull(card);
}

static void teardown(void)
{
	fx_close(fd.device);
	ck_assert_ptr_null(card);
	fx_close(fd.group);
	fx_close(fd.container);
	module_parent_unregister(parent);
	ck_assert_int_eq(probes, removes);
	vfio_mdev_exit();
	mdev_exit();
	device_core_destroy(core);
	fixture_teardown();
}

START_TEST(what_it_is)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region), .index = 1 };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = 1 };
	struct mdev_type *one = find_type("card-one"), *two = find_type("card-two");

	ck_assert_int_eq(fx_ioctl(fd.device, VFIO_DEVICE_GET_INFO, &info), 0);
	ck_assert_uint_eq(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	ck_assert_uint_eq(info.num_regions, 4);
	ck_assert_uint_eq(info.num_irqs, 5);
	ck_assert_int_eq(fx_ioctl(fd.device, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	ck_assert_uint_eq(region.size, 0x1800);
	ck_assert_uint_eq(region.flags, 7);
	ck_assert_uint_eq(region.offset, 1ULL << 40);
	region.index = 4;
	ck_assert_int_eq(fx_ioctl(fd.device, VFIO_DEVICE_GET_REGION_INFO, &region), -EINVAL);
	ck_assert_int_eq(fx_ioctl(fd.device, VFIO_DEVICE_GET_IRQ_INFO, &irq), 0);
	ck_assert_uint_eq(irq.count, 4);
	irq.index = 5;
	ck_assert_int_eq(fx_ioctl(fd.device, VFIO_DEVICE_GET_IRQ_INFO, &irq), -EINVAL);
	ck_assert_int_eq(fx_ioctl(fd.device, VFIO_DEVICE_RESET, NULL), 0);
	ck_assert_uint_eq(((struct shared *)parent->state)->resets, 1);
	ck_assert_uint_eq(mdev_type_available(one), 2);
	ck_assert_uint_eq(mdev_type_available(two), 1);
	ck_assert_int_eq(mdev_device_create(two, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"), 0);
	ck_assert_int_eq(mdev_device_create(two, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1003"), -ENOSPC);
	ck_assert_int_eq(
		mdev_device_remove(mdev_find_device("83b8f4f2-509f-382f-3c1e-e6bfe0fa1002")), 0);
	ck_assert_uint_eq(((struct shared *)parent->state)->made, 1);
}
END_TEST

/* The library answers what lies outside; the parent sees the rest. */
START_TEST(regions_and_bounds)
{
	uint8_t buf[64];

	ck_assert_int_eq(fx_pread(fd.device, buf, 4, 8), 4);
	ck_assert_uint_eq(buf[3], 8);
	ck_assert_int_eq(fx_pread(fd.device, buf, 64, 0x10), 0x10);
	ck_assert_int_eq(fx_pread(fd.device, buf, 4, 0x20), -EINVAL);
	ck_assert_int_eq(fx_pwrite(fd.device, buf, 4, 0), 4);
	ck_assert_int_eq(fx_pwrite(fd.device, buf, 4, 4), -EIO);
	ck_assert_int_eq(fx_pread(fd.device, buf, 4, 2ULL << 40), -EINVAL);
	ck_assert_int_eq(fx_pread(fd.device, buf, 4, 9ULL << 40), -EINVAL);
	ck_assert_int_eq(fx_pread(fd.device, buf, 4, 3ULL << 40), 4);
	ck_assert_int_eq(fx_pwrite(fd.device, buf, 4, 3ULL << 40), -EINVAL);
}
END_TEST

START_TEST(memory)
{
	struct file *file = file_from_fd(fd.device);
	char *mem = uvfio_mdev_memory(card, 1);
	void *at;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fx_pwrite(fd.device, "abcd", 4, (1ULL << 40) + 0x1000), 4);
	ck_assert_mem_eq(mem + 0x1000, "abcd", 4);
	ck_assert_int_eq(
		file_mmap(file, NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, 1ULL << 40, &at),
		0);
	ck_assert_mem_eq((char *)at + 0x1000, "abcd", 4);
	memcpy(at, "efgh", 4);
	ck_assert_mem_eq(mem, "efgh", 4);
	ck_assert_int_eq(file_munmap((uintptr_t)at, 0x2000), 0);
	munmap(at, 0x2000);
	ck_assert_int_eq(file_mmap(file, NULL, 0x1000, PROT_READ, MAP_SHARED, 0, &at), -EINVAL);
	ck_assert_int_eq(file_mmap(file, NULL, 0x3000, PROT_READ, MAP_SHARED, 1ULL << 40, &at),
			 -EINVAL);
	ck_assert_int_eq(file_mmap(file, NULL, 0x1000, PROT_WRITE, MAP_SHARED, 3ULL << 40, &at),
			 -EINVAL);
	file_put(file);
}
END_TEST

static long set_irqs(uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
		     const void *data, size_t size)
{
	struct {
		struct vfio_irq_set set;
		uint8_t data[64];
	} arg = { .set = { .argsz = (uint32_t)(sizeof(arg.set) + size),
			   .flags = flags,
			   .index = index,
			   .start = start,
			   .count = count } };

	memcpy(arg.data, data, size);
	return fx_ioctl(fd.device, VFIO_DEVICE_SET_IRQS, &arg);
}

static uint64_t taken(int eventfd_nr)
{
	uint64_t value = 0;

	return read(eventfd_nr, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

#define TRIGGER_FD (VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD)

START_TEST(edges)
{
	int32_t fds[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	int32_t wrong[2] = { fds[0], 0x7fffffff };

	ck_assert_int_eq(uvfio_mdev_irq_raise(card, 1, 2), 0);
	ck_assert_int_eq(uvfio_mdev_irq_raise(card, 1, 4), -EINVAL);
	ck_assert_int_eq(uvfio_mdev_irq_raise(card, 2, 0), -EINVAL);
	ck_assert_int_eq(uvfio_mdev_irq_raise(card, 9, 0), -EINVAL);
	ck_assert_int_eq(set_irqs(TRIGGER_FD, 1, 0, 2, wrong, 8), -EBADF);
	ck_assert_int_eq(set_irqs(TRIGGER_FD, 1, 2, 2, fds, 8), 0);
	ck_assert_uint_eq(taken(fds[0]), 0);
	uvfio_mdev_irq_raise(card, 1, 2);
	uvfio_mdev_irq_raise(card, 1, 2);
	uvfio_mdev_irq_raise(card, 1, 1);
	ck_assert_uint_eq(taken(fds[0]), 2);
	ck_assert_uint_eq(taken(fds[1]), 0);
	ck_assert_int_eq(
		set_irqs(VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_BOOL, 1, 2, 2, "\0\1", 2),
		0);
	ck_assert_uint_eq(taken(fds[0]), 0);
	ck_assert_uint_eq(taken(fds[1]), 1);
	ck_assert_int_eq(
		set_irqs(VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_DATA_NONE, 1, 2, 1, "", 0),
		-ENOTTY);
	ck_assert_int_eq(
		set_irqs(VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE, 1, 0, 0, "", 0), 0);
	uvfio_mdev_irq_raise(card, 1, 2);
	ck_assert_uint_eq(taken(fds[0]), 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(levels)
{
	const uint32_t unmask = VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_NONE;
	const uint32_t mask = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_DATA_NONE;
	int32_t line = eventfd(0, EFD_NONBLOCK), back = eventfd(0, EFD_NONBLOCK);
	struct pollfd wait = { line, POLLIN, 0 };

	/* One that is high already when the user comes. */
	uvfio_mdev_irq_raise(card, 0, 0);
	ck_assert_int_eq(set_irqs(TRIGGER_FD, 0, 0, 1, &line, 4), 0);
	ck_assert_uint_eq(taken(line), 1);
	uvfio_mdev_irq_raise(card, 0, 0);
	ck_assert_uint_eq(taken(line), 0);
	ck_assert_int_eq(set_irqs(unmask, 0, 0, 1, "", 0), 0);
	ck_assert_uint_eq(taken(line), 1);
	uvfio_mdev_irq_lower(card, 0, 0);
	ck_assert_int_eq(set_irqs(unmask, 0, 0, 1, "", 0), 0);
	ck_assert_uint_eq(taken(line), 0);
	ck_assert_int_eq(set_irqs(mask, 0, 0, 1, "", 0), 0);
	uvfio_mdev_irq_raise(card, 0, 0);
	ck_assert_uint_eq(taken(line), 0);
	ck_assert_int_eq(set_irqs(unmask, 0, 0, 1, "", 0), 0);
	ck_assert_uint_eq(taken(line), 1);
	/* Unmasked by an eventfd. */
	ck_assert_int_eq(
		set_irqs(VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_EVENTFD, 0, 0, 1, &back, 4),
		0);
	ck_assert_int_eq(eventfd_write(back, 1), 0);
	ck_assert_int_eq(poll(&wait, 1, 60000), 1);
	close(line);
	close(back);
}
END_TEST

/* Somebody wants the device back: interrupt 4, since the parent has no request of its own. */
START_TEST(request)
{
	int32_t req = eventfd(0, EFD_NONBLOCK);
	struct vfio_device *vdev = mdev_vfio_device(mdev_find_device(UUID));

	ck_assert_int_eq(set_irqs(TRIGGER_FD, 4, 0, 1, &req, 4), 0);
	vdev->ops->request(vdev, 0);
	ck_assert_uint_eq(taken(req), 1);
	close(req);
}
END_TEST

START_TEST(dma)
{
	char *mem = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t size = 0x2000;
	char buf[8] = "", *page;

	ck_assert_int_eq(fx_map(fd.container, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, mem,
				IOVA, 0x2000),
			 0);
	strcpy(mem + 0xffe, "across");
	ck_assert_int_eq(uvfio_mdev_dma_read(card, IOVA + 0xffe, buf, 7), 0);
	ck_assert_str_eq(buf, "across");
	ck_assert_int_eq(uvfio_mdev_dma_write(card, IOVA, "to", 3), 0);
	ck_assert_str_eq(mem, "to");
	ck_assert_int_lt(uvfio_mdev_dma_read(card, IOVA - 4, buf, 8), 0);
	ck_assert_int_eq(uvfio_mdev_pin(card, IOVA - 0x1000, 1, 1, &pinned), -EINVAL);
	ck_assert_int_eq(uvfio_mdev_pin(card, IOVA, 1, 1, &pinned), 0);
	page = pinned;
	ck_assert_int_eq(uvfio_mdev_copy(card, page, "pin", 4), 0);
	ck_assert_str_eq(mem, "pin");
	/* The parent is told, and lets go. */
	ck_assert_int_eq(fx_unmap(fd.container, 0, IOVA, &size), 0);
	ck_assert_int_eq(unmaps, 1);
	ck_assert_ptr_null(pinned);
	munmap(mem, 0x2000);
}
END_TEST

/* ---- what a parent may not say --------------------------------------------------------------- */

static void refused(const struct uvfio_mdev_ops *wrong, int ret, const char *word)
{
	struct uvfio_mdev_parent *out;
	char err[256] = "";

	ck_assert_int_eq(module_parent_register(wrong, &out, err, sizeof(err)), ret);
	ck_assert_msg(strstr(err, word) != NULL, "\"%s\" has no %s", err, word);
}

START_TEST(refusals)
{
	static const struct uvfio_mdev_type twice[] = { { .name = "a" }, { .name = "a" } };
	static const struct uvfio_mdev_type odd[] = { { .name = "a/b" } };
	static const struct uvfio_mdev_region huge[] = { { 2ULL << 40, 1 } };
	static const struct uvfio_mdev_irq many[] = { { 5000, 1 } };
	struct uvfio_mdev_ops wrong = ops;

	refused(&ops, -EEXIST, "card");
	wrong.name = "other";
	wrong.version++;
	refused(&wrong, -EINVAL, "version 2");
	wrong.version--;
	wrong.size -= 8;
	refused(&wrong, -EINVAL, "installed header");
	wrong.size += 8;
	wrong.name = "a b";
	refused(&wrong, -EINVAL, "\"a b\"");
	wrong.name = "other";
	wrong.types = twice;
	refused(&wrong, -EINVAL, "two types");
	wrong.types = odd;
	wrong.num_types = 1;
	refused(&wrong, -EINVAL, "\"a/b\"");
	wrong.num_types = 0;
	refused(&wrong, -EINVAL, "no types");
	wrong.types = types;
	wrong.num_types = 2;
	wrong.regions = huge;
	wrong.num_regions = 1;
	refused(&wrong, -EINVAL, "region 0");
	wrong.num_regions = 17;
	refused(&wrong, -EINVAL, "17 regions");
	wrong.num_regions = 0;
	wrong.irqs = many;
	wrong.num_irqs = 1;
	refused(&wrong, -EINVAL, "5000 vectors");
	wrong.num_irqs = 0;
	wrong.available = NULL;
	refused(&wrong, -EINVAL, "max_instances");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parent");
	TCase *tc = tcase_create("parent");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_it_is);
	tcase_add_test(tc, regions_and_bounds);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, edges);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, request);
	tcase_add_test(tc, dma);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
