/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver for the unit tests (testdrv.h). */
#include "models/ioat/testdrv.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "models/ioat/ioat.h"
#include "models/ioat/ioat_priv.h"

#define MEM_SIZE (16u << 20)
#define MEM_IOVA 0x100000000ULL

struct ring {
	struct ioat_desc *desc;
	uint64_t *completion;
	unsigned int pushed; /* since CHAINADDR was written */
};

struct pci_dev *drv_dev;
static struct iommu *unit;
static struct iommu_group *group;
static struct iommu_domain *domain;
static char *mem, *shared;
static size_t mem_used;
static struct ring rings[IOAT_MAX_CHANS];
static struct irq_trigger *triggers[IOAT_MAX_CHANS];
static enum pci_irq_type trigger_type;

/* ---- options -------------------------------------------------------------------------------- */

static const char *find(const struct model_config *config, const char *key)
{
	size_t len = strlen(key);

	for (const char *const *o = config->priv; o && *o; o++)
		if (!strncmp(*o, key, len) && (*o)[len] == '=')
			return *o + len + 1;
	return NULL;
}

static const char *config_get(const struct model_config *config, const char *key)
{
	const char *value = find(config, key);

	for (const struct model_option *o = ioat_model.options; !value && o->key; o++)
		if (!strcmp(o->key, key))
			value = o->default_value;
	return value ? value : "";
}

static bool config_is_set(const struct model_config *config, const char *key)
{
	return find(config, key) != NULL;
}

static int create(const char *const *options, char *err, size_t err_size)
{
	struct model_config config = { .get = config_get,
				       .is_set = config_is_set,
				       .priv = (void *)options };

	ck_assert_int_eq(pci_dev_create(0x0100, &ioat_model, &drv_dev), 0);
	return ioat_model.create(drv_dev, &config, err, err_size);
}

const char *drv_refused(const char *const *options)
{
	static char err[512];
	int rc;

	err[0] = '\0';
	rc = create(options, err, sizeof(err));
	if (!rc)
		pci_dev_created(drv_dev);
	pci_dev_destroy(drv_dev);
	ck_assert_int_eq(rc != 0, err[0] != '\0');
	return rc ? err : NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void map(void)
{
	const unsigned int rw = IOMMU_READ | IOMMU_WRITE;

	ck_assert_int_eq(iommu_map(domain, MEM_IOVA, (paddr_t)mem, MEM_SIZE, rw), 0);
	ck_assert_int_eq(iommu_map(domain, DRV_RO_IOVA, (paddr_t)mem, DRV_PAGE, IOMMU_READ), 0);
	/* A register that was never written must not be taken for an address that works. */
	ck_assert_int_eq(iommu_map(domain, 0, (paddr_t)mem, DRV_PAGE, rw), 0);
}

void drv_unmap(void)
{
	iommu_unmap(domain, MEM_IOVA, MEM_SIZE);
	iommu_unmap(domain, DRV_RO_IOVA, DRV_PAGE);
	iommu_unmap(domain, 0, DRV_PAGE);
}

void drv_start(const char *const *options)
{
	char err[512] = "";

	ck_assert_msg(create(options, err, sizeof(err)) == 0, "%s", err);
	pci_dev_created(drv_dev);
	ck_assert_int_eq(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit), 0);
	ck_assert_int_eq(iommu_dev_create(unit, 0x0100, "0000:01:00.0", &drv_dev->iommu), 0);
	ck_assert_int_eq(iommu_group_create(0, &group), 0);
	iommu_group_add_device(group, drv_dev->iommu);
	ck_assert_int_eq(iommu_domain_create(unit, &domain), 0);
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);
	shared = calloc(1, PCI_SHARED_HEADER + 8);
	ck_assert_ptr_nonnull(shared);
	ck_assert_int_eq(pci_dev_set_shared(drv_dev, shared, true), 0);
	ck_assert_int_eq(pci_dev_power_on(drv_dev), 0);
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	mem_used = DRV_PAGE; /* the first one is mapped again at DRV_RO_IOVA */
	map();
	memset(rings, 0, sizeof(rings));
}

void drv_stop(void)
{
	struct iommu_dev *requester = drv_dev->iommu;

	drv_disconnect();
	pci_dev_power_off(drv_dev);
	pci_dev_destroy(drv_dev);
	iommu_detach_group(domain, group);
	iommu_domain_destroy(domain);
	iommu_dev_destroy(requester);
	iommu_group_destroy(group);
	iommu_destroy(unit);
	munmap(mem, MEM_SIZE);
	free(shared);
}

void *drv_alloc(size_t size)
{
	void *p = mem + mem_used;

	mem_used += ALIGN_UP(size, DRV_PAGE);
	ck_assert_uint_le(mem_used, MEM_SIZE);
	return p;
}

iova_t drv_iova(const void *p)
{
	return MEM_IOVA + (uint64_t)((const char *)p - mem);
}

/* ---- registers ------------------------------------------------------------------------------ */

uint64_t drv_read(uint32_t off, unsigned int width)
{
	return pci_bar_read(drv_dev, 0, off, width);
}

void drv_write(uint32_t off, unsigned int width, uint64_t value)
{
	pci_bar_write(drv_dev, 0, off, width, value);
}

uint64_t drv_get(unsigned int chan, enum ioat_chan_reg reg, unsigned int width)
{
	return drv_read(IOAT_REG_CHAN * (chan + 1) + reg, width);
}

void drv_set(unsigned int chan, enum ioat_chan_reg reg, unsigned int width, uint64_t value)
{
	drv_write(IOAT_REG_CHAN * (chan + 1) + reg, width, value);
}

/* ---- the ring ------------------------------------------------------------------------------- */

void drv_rewind(unsigned int chan)
{
	rings[chan].pushed = 0;
	drv_set(chan, IOAT_CHAN_CHAINADDR, 8, drv_iova(rings[chan].desc));
}

void drv_arm(unsigned int chan)
{
	struct ring *ring = &rings[chan];

	if (!ring->desc) {
		ring->desc = drv_alloc(DRV_RING * sizeof(*ring->desc));
		ring->completion = drv_alloc(8);
		for (unsigned int i = 0; i < DRV_RING; i++)
			ring->desc[i].next = drv_iova(&ring->desc[(i + 1) % DRV_RING]);
	}
	*ring->completion = 0;
	drv_set(chan, IOAT_CHAN_CMP, 8, drv_iova(ring->completion));
	drv_rewind(chan);
	ck_assert_int_eq(drv_state(chan), IOAT_ARMED);
}

struct ioat_desc *drv_ring(unsigned int chan)
{
	return rings[chan].desc;
}

uint64_t drv_completion(unsigned int chan)
{
	return __atomic_load_n(rings[chan].completion, __ATOMIC_ACQUIRE);
}

/* As a program's load does it: without a trap. */
static uint64_t load_sts(unsigned int chan)
{
	const char *regs = drv_dev->bar[0].mem;

	return __atomic_load_n(
		(const uint64_t *)(const void *)(regs + IOAT_REG_CHAN * (chan + 1) + IOAT_CHAN_STS),
		__ATOMIC_ACQUIRE);
}

enum ioat_state drv_state(unsigned int chan)
{
	return (enum ioat_state)(load_sts(chan) & IOAT_CHANSTS_STATE);
}

unsigned int drv_last(unsigned int chan)
{
	uint64_t addr = load_sts(chan) & ~(uint64_t)(IOAT_DESC_SIZE - 1);

	return (unsigned int)((addr - drv_iova(rings[chan].desc)) / IOAT_DESC_SIZE);
}

void drv_push(unsigned int chan, struct ioat_desc desc)
{
	struct ring *ring = &rings[chan];
	unsigned int i = ring->pushed++ % DRV_RING;

	desc.next = ring->desc[i].next;
	ring->desc[i] = desc;
}

void drv_go(unsigned int chan)
{
	drv_set(chan, IOAT_CHAN_DMACOUNT, 2, rings[chan].pushed & 0xffff);
}

enum ioat_state drv_wait(unsigned int chan)
{
	static const struct timespec pause = { .tv_nsec = 100000 };

	for (unsigned int i = 0; drv_state(chan) == IOAT_ACTIVE; i++) {
		ck_assert_msg(i < 50000, "channel %u stays active", chan);
		nanosleep(&pause, NULL);
	}
	return drv_state(chan);
}

enum ioat_state drv_exec(unsigned int chan, struct ioat_desc desc)
{
	drv_push(chan, desc);
	drv_go(chan);
	return drv_wait(chan);
}

uint32_t drv_error(unsigned int chan, struct ioat_desc desc)
{
	uint32_t err;

	ck_assert_int_eq(drv_exec(chan, desc), IOAT_HALTED);
	err = (uint32_t)drv_get(chan, IOAT_CHAN_ERR, 4);
	drv_set(chan, IOAT_CHAN_ERR, 4, err);
	ck_assert_uint_eq(drv_get(chan, IOAT_CHAN_ERR, 4), 0);
	drv_arm(chan);
	return err;
}

struct ioat_desc drv_copy(void *dst, const void *src, uint32_t size)
{
	return (struct ioat_desc){ .size = size,
				   .ctl = DRV_CTL | IOAT_CTL_SET_OP(IOAT_OP_COPY),
				   .src = drv_iova(src),
				   .dst = drv_iova(dst) };
}

struct ioat_desc drv_fill(void *dst, uint64_t pattern, uint32_t size)
{
	return (struct ioat_desc){ .size = size,
				   .ctl = DRV_CTL | IOAT_CTL_SET_OP(IOAT_OP_FILL),
				   .src = pattern,
				   .dst = drv_iova(dst) };
}

/* ---- interrupts ----------------------------------------------------------------------------- */

void drv_connect(enum pci_irq_type type, unsigned int vector)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	trigger_type = type;
	ck_assert_int_eq(irq_trigger_create(fd, &triggers[vector]), 0);
	close(fd);
	ck_assert_int_eq(pci_irq_connect(drv_dev, type, vector, triggers[vector]), 0);
}

uint64_t drv_signals(unsigned int vector)
{
	return irq_trigger_count(triggers[vector]);
}

void drv_disconnect(void)
{
	for (unsigned int i = 0; i < IOAT_MAX_CHANS; i++) {
		if (!triggers[i])
			continue;
		pci_irq_connect(drv_dev, trigger_type, i, NULL);
		irq_trigger_destroy(triggers[i]);
		triggers[i] = NULL;
	}
}

int drv_main(const char *name, TCase *const *cases, size_t n)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < n; i++)
		suite_add_tcase(suite, cases[i]);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
