/* SPDX-License-Identifier: BSD-3-Clause */
/* A function for the models' unit tests (testfunc.h). */
#include "models/testfunc.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pci/sriov.h"

#define MEM_SIZE    (16u << 20)
#define MEM_IOVA    0x100000000ULL
#define MAX_VECTORS 32
#define MAX_VFS	    8

struct pci_dev *drv_dev;
static struct iommu *unit;
static struct iommu_group *group;
static struct iommu_domain *domain;
static struct pci_dev *vfs[MAX_VFS];
static const char *const *used_options;
static char *mem, *shared;
static size_t mem_used;
static iova_t pages[8]; /* what drv_map_page() has mapped */
static unsigned int npages;
static struct irq_trigger *triggers[MAX_VECTORS];
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

	for (const struct model_option *o = drv_model->options; !value && o->key; o++)
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

	ck_assert_int_eq(pci_dev_create(0x0100, drv_model, &drv_dev), 0);
	return drv_model->create(drv_dev, &config, err, err_size);
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

void drv_plug(const char *const *options)
{
	char err[512] = "";

	used_options = options;
	ck_assert_msg(create(options, err, sizeof(err)) == 0, "%s", err);
	pci_dev_created(drv_dev);
	ck_assert_int_eq(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit), 0);
	ck_assert_int_eq(iommu_dev_create(unit, 0x0100, "0000:01:00.0", &drv_dev->iommu), 0);
	ck_assert_int_eq(iommu_group_create(0, &group), 0);
	iommu_group_add_device(group, drv_dev->iommu);
	ck_assert_int_eq(iommu_domain_create(unit, &domain), 0);
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);

	shared = calloc(1, PCI_SHARED_HEADER + MAX(drv_model->shared_size, sizeof(uint64_t)));
	ck_assert_ptr_nonnull(shared);
	ck_assert_int_eq(pci_dev_set_shared(drv_dev, shared, true), 0);
	ck_assert_int_eq(pci_dev_power_on(drv_dev), 0);
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	mem_used = 0;
	npages = 0;
	ck_assert_int_eq(
		iommu_map(domain, MEM_IOVA, (paddr_t)mem, MEM_SIZE, IOMMU_READ | IOMMU_WRITE), 0);
}

void drv_attach(struct pci_dev *dev, unsigned int index)
{
	ck_assert(index < MAX_VFS && !vfs[index]);
	ck_assert_int_eq(iommu_dev_create(unit, dev->rid, dev->dev.name, &dev->iommu), 0);
	iommu_group_add_device(group, dev->iommu);
	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	pci_config_write(dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vfs[index] = dev;
}

struct pci_dev *drv_plug_vf(unsigned int index)
{
	struct model_config config = { .get = config_get,
				       .is_set = config_is_set,
				       .priv = (void *)used_options };
	struct pci_dev *vf;
	char err[512] = "";

	ck_assert_msg(!pci_vf_create(drv_dev, index, &config, &vf, err, sizeof(err)), "%s", err);
	pci_dev_created(vf);
	drv_attach(vf, index);
	return vf;
}

static void unplug_vfs(void)
{
	for (unsigned int i = 0; i < MAX_VFS; i++) {
		struct iommu_dev *requester;

		if (!vfs[i])
			continue;
		requester = vfs[i]->iommu;
		pci_dev_power_off(vfs[i]);
		pci_dev_destroy(vfs[i]);
		iommu_group_remove_device(requester);
		iommu_dev_destroy(requester);
		vfs[i] = NULL;
	}
}

void drv_unplug(void)
{
	struct iommu_dev *requester = drv_dev->iommu;

	drv_disconnect();
	unplug_vfs();
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

/* ---- memory --------------------------------------------------------------------------------- */

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

void drv_map_page(iova_t iova, const void *p, unsigned int prot)
{
	ck_assert_uint_lt(npages, ARRAY_SIZE(pages));
	pages[npages++] = iova;
	ck_assert_int_eq(iommu_map(domain, iova, (paddr_t)p, DRV_PAGE, prot), 0);
}

void drv_unmap(void)
{
	iommu_unmap(domain, MEM_IOVA, MEM_SIZE);
	while (npages)
		iommu_unmap(domain, pages[--npages], DRV_PAGE);
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

/* ---- interrupts ----------------------------------------------------------------------------- */

void drv_connect(enum pci_irq_type type, unsigned int vector)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	ck_assert_uint_lt(vector, MAX_VECTORS);
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
	for (unsigned int i = 0; i < MAX_VECTORS; i++) {
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
