/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Primary and secondary controllers (8.5): the function with SR-IOV is the primary one, each of its
 * VFs a secondary one that is online when the primary one says so and has as many queues and
 * interrupts as it was given (Virtualization Management, 5.22).
 *
 * Flexible resources are one pool for all VFs; the primary controller's own queues are private
 * resources, and it may take flexible ones from the pool, which it has from its next controller
 * level reset on. All of this is the card's: it stands in the primary function's shared state,
 * under pci_shared_lock(). A VF in use is rung and becomes what the state says.
 */
#include <string.h>

#include "models/nvme/nvme_priv.h"
#include "pci/sriov.h"

/* ---- what a controller has ------------------------------------------------------------------- */

static unsigned int total_vfs(const struct nvme_ctrl *c)
{
	return c->dev->sriov ? c->dev->sriov->total_vfs : 0;
}

/* What the primary controller made of this secondary one. Its queues and interrupts have room for
 * no more than it may grant, whatever another process has written there. */
static struct nvme_secondary own(struct nvme_ctrl *c)
{
	struct nvme_secondary sec;

	pci_shared_lock(nvme_card(c));
	sec = nvme_shared(c)->secondary[c->dev->vf_index];
	pci_shared_unlock(nvme_card(c));
	for (unsigned int i = 0; i < NVME_RES_TYPES; i++)
		sec.res[i] = MIN(sec.res[i], NVME_VF_RES);
	sec.online &= sec.res[NVME_RES_VQ] > 0;
	return sec;
}

/* The same of the primary controller's part of the pool. */
static unsigned int flexible(const struct nvme_ctrl *c, unsigned int num)
{
	return MIN(num, NVME_MAX_PAIRS - c->private_pairs);
}

void nvme_virt_apply(struct nvme_ctrl *c)
{
	struct nvme_shared *s = nvme_shared(c);
	struct nvme_secondary sec;

	if (c->dev->physfn) {
		sec = own(c);
		c->virt_changes = sec.changes;
		c->offline = !sec.online;
		c->pairs = sec.online ? sec.res[NVME_RES_VQ] - 1u : 0;
		c->vectors = sec.online ? sec.res[NVME_RES_VI] : 0;
		return;
	}
	if (!total_vfs(c))
		return;
	pci_shared_lock(c->dev);
	memcpy(s->primary, s->primary_next, sizeof(s->primary));
	c->pairs = c->private_pairs + flexible(c, s->primary[NVME_RES_VQ]);
	c->vectors = c->private_pairs + 1 + flexible(c, s->primary[NVME_RES_VI]);
	pci_shared_unlock(c->dev);
}

void nvme_virt_notified(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);

	if (!dev->physfn || !c->regs || c->virt_changes == own(c).changes)
		return;
	nvme_ctrl_reset(c);
	nvme_regs_init(c);
}

/* It has nothing, and what it had returns to the pool. pci_shared_lock() is held. */
static void go_offline(struct nvme_secondary *sec)
{
	*sec = (struct nvme_secondary){ .changes = (uint16_t)(sec->changes + 1) };
}

/* 8.5.2: without their VF, secondary controllers are offline and have nothing. */
void nvme_virt_vfs_changed(struct pci_dev *dev, unsigned int num)
{
	struct nvme_shared *s = dev->shared;

	if (!s)
		return;
	pci_shared_lock(dev);
	for (unsigned int i = num; i < dev->sriov->total_vfs; i++)
		go_offline(&s->secondary[i]);
	pci_shared_unlock(dev);
}

/* ---- Virtualization Management (5.22) -------------------------------------------------------- */

enum virt_action {
	PRIMARY_ALLOCATE = 1,
	SECONDARY_OFFLINE = 7,
	SECONDARY_ASSIGN,
	SECONDARY_ONLINE
};

static unsigned int pool_size(const struct nvme_ctrl *c)
{
	return total_vfs(c) * NVME_VF_RES;
}

static unsigned int assigned(struct nvme_ctrl *c, unsigned int type)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < total_vfs(c); i++)
		sum += nvme_shared(c)->secondary[i].res[type];
	return sum;
}

/* pci_shared_lock() is held for all of these. */
static uint16_t primary_allocate(struct nvme_ctrl *c, unsigned int type, unsigned int num)
{
	struct nvme_shared *s = nvme_shared(c);

	if (num + assigned(c, type) > pool_size(c) || c->private_pairs + num > NVME_MAX_PAIRS)
		return NVME_SC_INVALID_RESOURCES;
	s->primary_next[type] = (uint16_t)num;
	return NVME_SC_SUCCESS;
}

static uint16_t secondary_assign(struct nvme_ctrl *c, struct nvme_secondary *sec, unsigned int type,
				 unsigned int num)
{
	unsigned int others = assigned(c, type) - sec->res[type];
	struct nvme_shared *s = nvme_shared(c);

	if (sec->online)
		return NVME_SC_INVALID_SECONDARY_STATE;
	if (num > NVME_VF_RES ||
	    num + others + MAX(s->primary[type], s->primary_next[type]) > pool_size(c))
		return NVME_SC_INVALID_RESOURCES;
	sec->res[type] = (uint16_t)num;
	return NVME_SC_SUCCESS;
}

/* It takes an admin queue and one for I/O, and an interrupt. */
static uint16_t secondary_online(struct nvme_ctrl *c, struct nvme_secondary *sec, unsigned int vf)
{
	if (vf >= pci_enabled_vfs(c->dev) || sec->res[NVME_RES_VQ] < 2 || !sec->res[NVME_RES_VI])
		return NVME_SC_INVALID_SECONDARY_STATE;
	sec->changes = (uint16_t)(sec->changes + !sec->online);
	sec->online = 1;
	return NVME_SC_SUCCESS;
}

static uint16_t act(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint32_t cdw10 = req->cmd->cdw10;
	unsigned int action = cdw10 & 0xf, type = cdw10 >> 8 & 7, id = cdw10 >> 16;
	unsigned int num = req->cmd->cdw11 & 0xffff;
	bool counts = action == PRIMARY_ALLOCATE || action == SECONDARY_ASSIGN;
	struct nvme_secondary *sec;
	uint16_t status;

	if (action != SECONDARY_OFFLINE && action != SECONDARY_ONLINE && !counts)
		return NVME_SC_INVALID_FIELD;
	if (action == PRIMARY_ALLOCATE ? id != 0 : id < 1 || id > total_vfs(c))
		return NVME_SC_INVALID_CONTROLLER;
	if (counts && type >= NVME_RES_TYPES)
		return NVME_SC_INVALID_RESOURCE_ID;
	sec = &nvme_shared(c)->secondary[action == PRIMARY_ALLOCATE ? 0 : id - 1];
	switch (action) {
	case PRIMARY_ALLOCATE:
		status = primary_allocate(c, type, num);
		break;
	case SECONDARY_ASSIGN:
		status = secondary_assign(c, sec, type, num);
		break;
	case SECONDARY_ONLINE:
		status = secondary_online(c, sec, id - 1);
		break;
	default:
		go_offline(sec);
		status = NVME_SC_SUCCESS;
	}
	if (!status && counts)
		req->result = num;
	if (!status && !counts)
		pci_ring_vf(c->dev, id - 1);
	return status;
}

uint16_t nvme_virt_management(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint16_t status;

	pci_shared_lock(c->dev);
	status = act(c, req);
	pci_shared_unlock(c->dev);
	return status;
}

/* ---- Identify (5.15.2.11, 5.15.2.12) --------------------------------------------------------- */

uint16_t nvme_identify_primary(struct nvme_ctrl *c, struct nvme_req *req)
{
	struct nvme_id_primary *id = (struct nvme_id_primary *)(void *)c->page;
	struct nvme_shared *s = nvme_shared(c);

	if (!total_vfs(c))
		return NVME_SC_INVALID_FIELD;
	id->crt = 3; /* both types */
	pci_shared_lock(c->dev);
	for (unsigned int i = 0; i < NVME_RES_TYPES; i++) {
		id->res[i].frt = pool_size(c);
		id->res[i].rfa = assigned(c, i);
		id->res[i].rfap = s->primary[i];
		id->res[i].prt = (uint16_t)(c->private_pairs + 1);
		id->res[i].frsm = NVME_VF_RES;
		id->res[i].gran = 1;
	}
	pci_shared_unlock(c->dev);
	return NVME_SC_SUCCESS;
}

uint16_t nvme_identify_secondary(struct nvme_ctrl *c, struct nvme_req *req)
{
	struct nvme_id_secondary_list *list = (struct nvme_id_secondary_list *)(void *)c->page;
	unsigned int first = req->cmd->cdw10 >> 16;

	if (!total_vfs(c))
		return NVME_SC_INVALID_FIELD;
	pci_shared_lock(c->dev);
	for (unsigned int id = MAX(first, 1u); id <= total_vfs(c); id++) {
		const struct nvme_secondary *sec = &nvme_shared(c)->secondary[id - 1];

		list->entry[list->num++] = (struct nvme_id_secondary){
			.scid = (uint16_t)id,
			.scs = sec->online != 0,
			.vfn = (uint16_t)id,
			.nvq = sec->res[NVME_RES_VQ],
			.nvi = sec->res[NVME_RES_VI],
		};
	}
	pci_shared_unlock(c->dev);
	return NVME_SC_SUCCESS;
}
