/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver for the unit tests (testdrv.h). */
#include "models/nvme/testdrv.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "models/nvme/nvme.h"

#define MEM_SIZE (16u << 20)
#define MEM_IOVA 0x100000000ULL
#define QUEUES	 65

struct queue {
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	uint32_t tail, head;
	uint16_t phase;
};

struct pci_dev *drv_dev;
static struct iommu *unit;
static struct iommu_group *group;
static struct iommu_domain *domain;
static char *mem, *shared;
static size_t mem_used;
static struct queue queues[QUEUES];

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

	for (const struct model_option *o = nvme_model.options; !value && o->key; o++)
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

	ck_assert_int_eq(pci_dev_create(0x0100, &nvme_model, &drv_dev), 0);
	return nvme_model.create(drv_dev, &config, err, err_size);
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

	shared = calloc(1, PCI_SHARED_HEADER + nvme_model.shared_size);
	ck_assert_ptr_nonnull(shared);
	ck_assert_int_eq(pci_dev_set_shared(drv_dev, shared, true), 0);
	ck_assert_int_eq(pci_dev_power_on(drv_dev), 0);
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	mem_used = 0;
	memset(queues, 0, sizeof(queues));
	ck_assert_int_eq(
		iommu_map(domain, MEM_IOVA, (paddr_t)mem, MEM_SIZE, IOMMU_READ | IOMMU_WRITE), 0);
}

void drv_stop(void)
{
	struct iommu_dev *requester = drv_dev->iommu;

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

void drv_start_enabled(const char *const *options)
{
	drv_start(options);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
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

uint32_t drv_read32(uint32_t off)
{
	return (uint32_t)pci_bar_read(drv_dev, 0, off, 4);
}

uint64_t drv_read64(uint32_t off)
{
	return pci_bar_read(drv_dev, 0, off, 8);
}

void drv_write32(uint32_t off, uint32_t value)
{
	pci_bar_write(drv_dev, 0, off, 4, value);
}

void drv_write64(uint32_t off, uint64_t value)
{
	pci_bar_write(drv_dev, 0, off, 8, value);
}

static void alloc_queue(unsigned int id)
{
	struct queue *q = &queues[id];

	if (!q->sq) {
		q->sq = drv_alloc(DRV_DEPTH * sizeof(*q->sq));
		q->cq = drv_alloc(DRV_DEPTH * sizeof(*q->cq));
	}
	memset(q->sq, 0, DRV_DEPTH * sizeof(*q->sq));
	memset(q->cq, 0, DRV_DEPTH * sizeof(*q->cq));
	q->tail = q->head = 0;
	q->phase = 1;
}

uint32_t drv_enable(void)
{
	alloc_queue(0);
	drv_write32(NVME_REG_AQA, (DRV_DEPTH - 1) << 16 | (DRV_DEPTH - 1));
	drv_write64(NVME_REG_ASQ, drv_iova(queues[0].sq));
	drv_write64(NVME_REG_ACQ, drv_iova(queues[0].cq));
	drv_write32(NVME_REG_CC, NVME_CC_EN | 6u << 16 | 4u << 20);
	return drv_read32(NVME_REG_CSTS);
}

void drv_create_pair(unsigned int id, bool ien)
{
	struct nvme_sqe cq = { .opcode = NVME_ADM_CREATE_CQ,
			       .cdw10 = (DRV_DEPTH - 1) << 16 | id,
			       .cdw11 = ien ? id << 16 | 3 : 1 };
	struct nvme_sqe sq = { .opcode = NVME_ADM_CREATE_SQ,
			       .cdw10 = (DRV_DEPTH - 1) << 16 | id,
			       .cdw11 = id << 16 | 1 };

	alloc_queue(id);
	cq.prp1 = drv_iova(queues[id].cq);
	sq.prp1 = drv_iova(queues[id].sq);
	ck_status(0, cq, NVME_SC_SUCCESS);
	ck_status(0, sq, NVME_SC_SUCCESS);
}

/* ---- queues --------------------------------------------------------------------------------- */

struct nvme_sqe *drv_sq(unsigned int id)
{
	return queues[id].sq;
}

struct nvme_cqe *drv_cq(unsigned int id)
{
	return queues[id].cq;
}

void drv_push(unsigned int id, struct nvme_sqe cmd)
{
	struct queue *q = &queues[id];

	q->sq[q->tail] = cmd;
	q->tail = (q->tail + 1) % DRV_DEPTH;
}

void drv_ring(unsigned int id)
{
	drv_write32(NVME_REG_DBS + 8 * id, queues[id].tail);
}

bool drv_peek(unsigned int id)
{
	const struct queue *q = &queues[id];

	return (__atomic_load_n(&q->cq[q->head].status, __ATOMIC_ACQUIRE) & 1) == q->phase;
}

bool drv_reap(unsigned int id, struct nvme_cqe *cqe, bool ack)
{
	static const struct timespec pause = { .tv_nsec = 100000 };
	struct queue *q = &queues[id];

	for (unsigned int i = 0; !drv_peek(id); i++) {
		if (i == 50000)
			return false;
		nanosleep(&pause, NULL);
	}
	*cqe = q->cq[q->head];
	q->head = (q->head + 1) % DRV_DEPTH;
	q->phase ^= q->head == 0;
	if (ack)
		drv_write32(NVME_REG_DBS + 8 * id + 4, q->head);
	return true;
}

struct nvme_cqe drv_exec(unsigned int id, struct nvme_sqe cmd)
{
	struct nvme_cqe cqe;

	drv_push(id, cmd);
	drv_ring(id);
	ck_assert_msg(drv_reap(id, &cqe, true), "opcode %02x on queue %u: no completion",
		      cmd.opcode, id);
	ck_assert_uint_eq(cqe.cid, cmd.cid);
	ck_assert_uint_eq(cqe.sqid, id);
	return cqe;
}

uint16_t drv_status(unsigned int id, struct nvme_sqe cmd)
{
	return (drv_exec(id, cmd).status >> 1) & 0x7ff;
}

struct nvme_sqe drv_rw(uint8_t opcode, uint64_t slba, uint32_t nlb, const void *buf)
{
	return (struct nvme_sqe){ .opcode = opcode,
				  .cid = 0x1234,
				  .nsid = 1,
				  .prp1 = drv_iova(buf),
				  .prp2 = drv_iova(buf) + DRV_PAGE,
				  .cdw10 = (uint32_t)slba,
				  .cdw11 = (uint32_t)(slba >> 32),
				  .cdw12 = nlb - 1 };
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
