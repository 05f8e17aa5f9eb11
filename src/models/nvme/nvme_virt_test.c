/* SPDX-License-Identifier: BSD-3-Clause */
/* Primary and secondary controllers: what Virtualization Management grants and refuses, and a VF
 * that is used when it is online, on the namespaces that its PF has. */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/nvme/nvme_priv.h"
#include "models/nvme/nvme.h"
#include "models/nvme/testdrv.h"
#include "pci/sriov.h"

#define PATTERN 0x5a

enum { PRIMARY = 1, OFFLINE = 7, ASSIGN, ONLINE };
enum { VQ, VI };

static char file[64], file_option[80];
static const char *options[] = { "vfs=2", "queues=4", file_option, NULL };
static struct pci_dev *vf;
static void *vf_shared;

static void make_disk(void)
{
	int fd;

	strcpy(file, "nvme_virt_test.XXXXXX");
	fd = mkstemp(file);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	snprintf(file_option, sizeof(file_option), "file=%s", file);
}

static void setup(void)
{
	make_disk();
	drv_start_enabled(options);
}

static void teardown(void)
{
	drv_stop();
	unlink(file);
}

static uint16_t manage(unsigned int action, unsigned int ctrl, unsigned int type, unsigned int num)
{
	struct nvme_sqe cmd = { .opcode = NVME_ADM_VIRT_MANAGEMENT,
				.cid = 7,
				.cdw10 = action | type << 8 | ctrl << 16,
				.cdw11 = num };
	struct nvme_cqe cqe = drv_exec(0, cmd);
	uint16_t status = (cqe.status >> 1) & 0x7ff;

	if (!status && (action == PRIMARY || action == ASSIGN))
		ck_assert_uint_eq(cqe.dw0, num);
	return status;
}

static void identify(unsigned int cns, unsigned int ctrl, void *page)
{
	struct nvme_sqe cmd = { .opcode = NVME_ADM_IDENTIFY,
				.cid = 8,
				.prp1 = drv_iova(page),
				.cdw10 = cns | ctrl << 16 };

	ck_status(0, cmd, NVME_SC_SUCCESS);
}

static void enable_vfs(bool on)
{
	unsigned int cap = drv_dev->sriov_cap;

	if (on)
		pci_config_write(drv_dev, cap + PCI_SRIOV_NUM_VF, 2, 2);
	pci_config_write(drv_dev, cap + PCI_SRIOV_CTRL, 2,
			 on ? PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE : 0);
}

static void reset_controller(void)
{
	drv_write32(NVME_REG_CC, 0);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
}

static unsigned int queues(void)
{
	struct nvme_sqe cmd = { .opcode = NVME_ADM_GET_FEATURES, .cid = 9, .cdw10 = 7 };

	return (drv_exec(0, cmd).dw0 & 0xffff) + 1;
}

START_TEST(capabilities)
{
	struct nvme_id_primary *id = drv_alloc(sizeof(*id));
	struct nvme_id_ctrl *ctrl = drv_alloc(sizeof(*ctrl));
	struct nvme_id_ns *ns = drv_alloc(sizeof(*ns));
	uint16_t *list = drv_alloc(DRV_PAGE);
	struct nvme_sqe cmd = {
		.opcode = NVME_ADM_IDENTIFY, .nsid = 1, .prp1 = drv_iova(ns), .cdw10 = NVME_CNS_NS
	};

	identify(NVME_CNS_CTRL, 0, ctrl);
	ck_assert_uint_eq(ctrl->oacs & NVME_OACS_VIRT, NVME_OACS_VIRT);
	ck_assert_uint_eq(ctrl->cmic, NVME_CMIC_CONTROLLERS);
	ck_assert_uint_eq(ctrl->cntlid, 0);
	ck_status(0, cmd, NVME_SC_SUCCESS);
	ck_assert_uint_eq(ns->nmic, NVME_NMIC_SHARED);
	identify(NVME_CNS_CONTROLLERS, 1, list);
	ck_assert_uint_eq(list[0], 2);
	ck_assert_uint_eq(list[1], 1);
	ck_assert_uint_eq(list[2], 2);
	identify(NVME_CNS_PRIMARY, 0, id);
	ck_assert_uint_eq(id->crt, 3);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_eq(id->res[i].frt, 18);
		ck_assert_uint_eq(id->res[i].rfa, 0);
		ck_assert_uint_eq(id->res[i].rfap, 0);
		ck_assert_uint_eq(id->res[i].prt, 5);
		ck_assert_uint_eq(id->res[i].frsm, 9);
		ck_assert_uint_eq(id->res[i].gran, 1);
	}
}
END_TEST

START_TEST(management)
{
	struct nvme_id_secondary_list *list = drv_alloc(sizeof(*list));

	ck_assert_uint_eq(manage(2, 1, VQ, 0), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(manage(ASSIGN, 0, VQ, 2), NVME_SC_INVALID_CONTROLLER);
	ck_assert_uint_eq(manage(ASSIGN, 3, VQ, 2), NVME_SC_INVALID_CONTROLLER);
	ck_assert_uint_eq(manage(PRIMARY, 1, VQ, 0), NVME_SC_INVALID_CONTROLLER);
	ck_assert_uint_eq(manage(ASSIGN, 1, 2, 2), NVME_SC_INVALID_RESOURCE_ID);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 10), NVME_SC_INVALID_RESOURCES);
	enable_vfs(true);
	ck_assert_uint_eq(manage(ONLINE, 1, 0, 0), NVME_SC_INVALID_SECONDARY_STATE);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 1), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VI, 2), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ONLINE, 1, 0, 0), NVME_SC_INVALID_SECONDARY_STATE);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 3), NVME_SC_SUCCESS);
	enable_vfs(false);
	/* With its VF it lost what it had. */
	identify(NVME_CNS_SECONDARY, 0, list);
	ck_assert_uint_eq(list->entry[0].nvq, 0);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 3), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VI, 2), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ONLINE, 1, 0, 0), NVME_SC_INVALID_SECONDARY_STATE);
	enable_vfs(true);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 3), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VI, 2), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ONLINE, 1, 0, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 2), NVME_SC_INVALID_SECONDARY_STATE);
	identify(NVME_CNS_SECONDARY, 0, list);
	ck_assert_uint_eq(list->num, 2);
	ck_assert_uint_eq(list->entry[0].scid, 1);
	ck_assert_uint_eq(list->entry[0].scs, 1);
	ck_assert_uint_eq(list->entry[0].vfn, 1);
	ck_assert_uint_eq(list->entry[0].nvq, 3);
	ck_assert_uint_eq(list->entry[0].nvi, 2);
	ck_assert_uint_eq(list->entry[1].scs, 0);
	identify(NVME_CNS_SECONDARY, 2, list);
	ck_assert_uint_eq(list->num, 1);
	ck_assert_uint_eq(list->entry[0].scid, 2);
	ck_assert_uint_eq(manage(OFFLINE, 1, 0, 0), NVME_SC_SUCCESS);
	identify(NVME_CNS_SECONDARY, 1, list);
	ck_assert_uint_eq(list->entry[0].scs, 0);
	ck_assert_uint_eq(list->entry[0].nvq, 0);
}
END_TEST

/* The primary controller has what it took from its next reset on. */
START_TEST(primary)
{
	struct nvme_id_primary *id = drv_alloc(sizeof(*id));

	enable_vfs(true);
	ck_assert_uint_eq(queues(), 4);
	ck_assert_uint_eq(manage(ASSIGN, 2, VQ, 9), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(PRIMARY, 0, VQ, 10), NVME_SC_INVALID_RESOURCES);
	ck_assert_uint_eq(manage(PRIMARY, 0, VQ, 8), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 2), NVME_SC_INVALID_RESOURCES);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 1), NVME_SC_SUCCESS);
	identify(NVME_CNS_PRIMARY, 0, id);
	ck_assert_uint_eq(id->res[VQ].rfa, 10);
	ck_assert_uint_eq(id->res[VQ].rfap, 0);
	ck_assert_uint_eq(queues(), 4);
	reset_controller();
	identify(NVME_CNS_PRIMARY, 0, id);
	ck_assert_uint_eq(id->res[VQ].rfap, 8);
	ck_assert_uint_eq(queues(), 12);
}
END_TEST

/* ---- a VF ------------------------------------------------------------------------------------ */

static const char *get(const struct model_config *config, const char *key)
{
	for (const char **o = options; *o; o++)
		if (!strncmp(*o, key, strlen(key)) && (*o)[strlen(key)] == '=')
			return *o + strlen(key) + 1;
	for (const struct model_option *o = nvme_model.options; o->key; o++)
		if (!strcmp(o->key, key))
			return o->default_value;
	return "";
}

static bool is_set(const struct model_config *config, const char *key)
{
	return !strcmp(key, "file");
}

static void plug_vf(void)
{
	const struct model_config config = { .get = get, .is_set = is_set };
	char err[256];

	ck_assert_int_eq(pci_vf_create(drv_dev, 0, &config, &vf, err, sizeof(err)), 0);
	pci_dev_created(vf);
	vf->iommu = drv_dev->iommu;
	vf_shared = calloc(1, PCI_SHARED_HEADER + 8);
	ck_assert_int_eq(pci_dev_set_shared(vf, vf_shared, true), 0);
	pci_config_write(vf, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ck_assert_int_eq(pci_dev_power_on(vf), 0);
}

static void unplug_vf(void)
{
	pci_dev_power_off(vf);
	vf->iommu = NULL;
	pci_dev_destroy(vf);
	free(vf_shared);
}

static uint32_t vf_csts(void)
{
	return (uint32_t)pci_bar_read(vf, 0, NVME_REG_CSTS, 4);
}

static void await_csts(uint32_t bits, uint32_t wanted)
{
	while ((vf_csts() & bits) != wanted)
		sched_yield();
}

START_TEST(secondary)
{
	struct nvme_sqe virt = { .opcode = NVME_ADM_VIRT_MANAGEMENT, .cdw10 = 1 << 16 | OFFLINE };
	struct nvme_id_ctrl *ctrl = drv_alloc(sizeof(*ctrl));
	struct nvme_sqe pair = { .opcode = NVME_ADM_CREATE_CQ,
				 .prp1 = drv_iova(ctrl),
				 .cdw10 = 15 << 16 | 3,
				 .cdw11 = 1 };
	struct pci_dev *pf = drv_dev;
	char *data = drv_alloc(2 * DRV_PAGE);

	enable_vfs(true);
	plug_vf();
	ck_assert_uint_eq(vf_csts(), NVME_CSTS_CFS);
	pci_bar_write(vf, 0, NVME_REG_CC, 4, NVME_CC_EN | 6u << 16 | 4u << 20);
	ck_assert_uint_eq(vf_csts(), NVME_CSTS_CFS);
	memset(data, PATTERN, 512);
	drv_create_pair(1, false);
	ck_status(1, drv_rw(NVME_IO_WRITE, 3, 1, data), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, 3), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VI, 2), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ONLINE, 1, 0, 0), NVME_SC_SUCCESS);
	await_csts(NVME_CSTS_CFS, 0);

	/* The same driver with the VF. */
	drv_dev = vf;
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	identify(NVME_CNS_CTRL, 0, ctrl);
	ck_assert_uint_eq(ctrl->cntlid, 1);
	ck_assert_uint_eq(ctrl->cmic, NVME_CMIC_CONTROLLERS | NVME_CMIC_VF);
	ck_assert_uint_eq(ctrl->oacs & NVME_OACS_VIRT, 0);
	ck_assert_uint_eq(queues(), 2);
	ck_status(0, virt, NVME_SC_INVALID_OPCODE);
	ck_status(0, pair, NVME_SC_INVALID_QID);
	drv_create_pair(1, false);
	memset(data, 0, 512);
	ck_status(1, drv_rw(NVME_IO_READ, 3, 1, data), NVME_SC_SUCCESS);
	for (unsigned int i = 0; i < 512; i++)
		ck_assert_int_eq(data[i], PATTERN);

	drv_dev = pf;
	reset_controller();
	ck_assert_uint_eq(manage(OFFLINE, 1, 0, 0), NVME_SC_SUCCESS);
	await_csts(NVME_CSTS_CFS | NVME_CSTS_RDY, NVME_CSTS_CFS);
	unplug_vf();
}
END_TEST

static void bring_online(unsigned int pairs)
{
	ck_assert_uint_eq(manage(ASSIGN, 1, VQ, pairs + 1), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ASSIGN, 1, VI, 2), NVME_SC_SUCCESS);
	ck_assert_uint_eq(manage(ONLINE, 1, 0, 0), NVME_SC_SUCCESS);
}

/* Offline and online again before the VF has looked: it was reset all the same. */
START_TEST(quickly)
{
	struct pci_dev *pf = drv_dev;

	enable_vfs(true);
	plug_vf();
	bring_online(4);
	await_csts(NVME_CSTS_CFS, 0);
	drv_dev = vf;
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	ck_assert_uint_eq(queues(), 4);
	drv_dev = pf;
	reset_controller();
	pci_dev_lock(vf);
	ck_assert_uint_eq(manage(OFFLINE, 1, 0, 0), NVME_SC_SUCCESS);
	bring_online(2);
	pci_dev_unlock(vf);
	await_csts(NVME_CSTS_CFS | NVME_CSTS_RDY, 0);
	drv_dev = vf;
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	ck_assert_uint_eq(queues(), 2);
	drv_dev = pf;
	unplug_vf();
}
END_TEST

/* What another process may write into the shared state makes no more queues than there are. */
START_TEST(nonsense)
{
	struct nvme_shared *shared = drv_dev->shared;
	struct pci_dev *pf = drv_dev;

	enable_vfs(true);
	shared->primary_next[VQ] = shared->primary_next[VI] = UINT16_MAX;
	shared->secondary[0] = (struct nvme_secondary){ .online = 1, .res = { 60000, 60000 } };
	shared->secondary[1] = (struct nvme_secondary){ .online = 1 };
	reset_controller();
	ck_assert_uint_eq(queues(), NVME_MAX_PAIRS);
	ck_assert_uint_eq(nvme_ctrl(drv_dev)->vectors, NVME_QUEUES);
	plug_vf();
	drv_dev = vf;
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	ck_assert_uint_eq(queues(), NVME_VF_RES - 1);
	ck_assert_uint_eq(nvme_ctrl(vf)->vectors, NVME_VF_RES);
	drv_dev = pf;
	unplug_vf();
}
END_TEST

START_TEST(refused)
{
	const char *const many[] = { "vfs=65", NULL }, *const text[] = { "vfs=x", NULL };

	ck_assert_str_eq(drv_refused(many), "vfs=65: give a number from 0 to 64");
	ck_assert_str_eq(drv_refused(text), "vfs=x: give a number from 0 to 64");
}
END_TEST

int main(void)
{
	TCase *with = tcase_create("virtualization"), *without = tcase_create("options");
	TCase *const cases[] = { with, without };

	tcase_add_checked_fixture(with, setup, teardown);
	tcase_add_test(with, capabilities);
	tcase_add_test(with, management);
	tcase_add_test(with, primary);
	tcase_add_test(with, secondary);
	tcase_add_test(with, quickly);
	tcase_add_test(with, nonsense);
	tcase_add_test(without, refused);
	return drv_main("nvme-virt", cases, 2);
}
