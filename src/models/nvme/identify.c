/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identify (5.15): what the controller and its namespaces are. Everything is built in c->page when
 * it is asked for. All namespaces are allocated, active and attached to this one controller; there
 * is no namespace management, no ANA, no NVM sets.
 */
#include <stdio.h>
#include <string.h>

#include "models/nvme/nvme_priv.h"
#include "pci/sriov.h"

#define PCI_SSVID 0x1af4
#define PCI_VID	  0x1b36

/* Fields of text are padded with blanks (1.8.5). */
static void put_text(char *field, size_t size, const char *text)
{
	size_t len = strlen(text);

	memset(field, ' ', size);
	memcpy(field, text, MIN(len, size));
}

/* FNV-1a over the serial number, a namespace and a purpose: identifiers that are the same in every
 * session and differ between controllers. */
static uint64_t identity_hash(const struct nvme_ctrl *c, uint32_t nsid, uint8_t purpose)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (const char *p = c->serial; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	for (unsigned int i = 0; c->slice && i < sizeof(c->uuid); i++)
		h = (h ^ c->uuid[i]) * 0x100000001b3u;
	for (unsigned int i = 0; i < 4; i++)
		h = (h ^ (uint8_t)(nsid >> 8 * i)) * 0x100000001b3u;
	h = (h ^ purpose) * 0x100000001b3u;
	return h ^ h >> 29;
}

static void make_eui64(const struct nvme_ctrl *c, uint32_t nsid, uint8_t out[8])
{
	uint64_t h = identity_hash(c, nsid, 'e');

	memcpy(out, &h, 8);
	out[0] = (uint8_t)((out[0] | 2) & ~1); /* locally administered, not a group */
}

static void make_uuid(const struct nvme_ctrl *c, uint32_t nsid, uint8_t out[16])
{
	uint64_t h[2] = { identity_hash(c, nsid, 'u'), identity_hash(c, nsid, 'v') };

	memcpy(out, h, 16);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x80); /* version 8, RFC 9562 */
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

static void make_nguid(const struct nvme_ctrl *c, uint32_t nsid, uint8_t out[16])
{
	uint64_t h = identity_hash(c, nsid, 'g');

	memcpy(out, &h, 8);
	make_eui64(c, nsid, out + 8);
}

static void make_subnqn(const struct nvme_ctrl *c, char out[256])
{
	static const char hex[] = "0123456789abcdef";
	static const char prefix[] = "nqn.2014-08.org.nvmexpress:uuid:"; /* 7.9 */
	uint8_t uuid[16];
	char *p = out + sizeof(prefix) - 1;

	memcpy(out, prefix, sizeof(prefix) - 1);
	if (c->slice)
		memcpy(uuid, c->uuid, sizeof(uuid));
	else
		make_uuid(c, 0, uuid);
	for (unsigned int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid[i] >> 4];
		*p++ = hex[uuid[i] & 15];
	}
}

static void fill_ctrl(struct nvme_ctrl *c, struct nvme_id_ctrl *id)
{
	id->vid = PCI_VID;
	id->ssvid = PCI_SSVID;
	put_text(id->sn, sizeof(id->sn), c->serial);
	put_text(id->mn, sizeof(id->mn), c->slice ? "uvfio NVMe slice" : "uvfio NVMe controller");
	put_text(id->fr, sizeof(id->fr), "1.0");
	id->rab = 6;
	id->ieee[0] = 0x00;
	id->ieee[1] = 0x54;
	id->ieee[2] = 0x52;
	id->mdts = NVME_MDTS;
	id->cntlid = nvme_ctrl_id(c);
	if (nvme_card(c)->sriov)
		id->cmic = NVME_CMIC_CONTROLLERS | (c->dev->physfn ? NVME_CMIC_VF : 0);
	id->ver = NVME_VS_1_4;
	id->oaes = NVME_OAES_NS_ATTR;
	id->cntrltype = 1; /* I/O controller */
	id->oacs = NVME_OACS_FORMAT | (c->dev->sriov ? NVME_OACS_VIRT : 0);
	id->acl = 3;
	id->aerl = NVME_AERS - 1;
	id->frmw = 1 << 1 | 1; /* one slot, read-only */
	id->lpa = NVME_LPA_EFFECTS | NVME_LPA_EXTENDED;
	id->elpe = NVME_ERROR_LOG - 1;
	id->wctemp = NVME_WCTEMP;
	id->cctemp = NVME_CCTEMP;
	id->sqes = NVME_SQE_SHIFT << 4 | NVME_SQE_SHIFT;
	id->cqes = NVME_CQE_SHIFT << 4 | NVME_CQE_SHIFT;
	id->nn = c->namespaces;
	id->oncs = NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES |
		   NVME_ONCS_SAVE_SELECT | NVME_ONCS_TIMESTAMP | NVME_ONCS_VERIFY;
	id->vwc = NVME_VWC_PRESENT | NVME_VWC_FLUSH_ALL;
	/* A command runs to its end under the device lock: all of it is atomic towards others, but
	 * not towards those of another controller of the card. */
	id->awun = nvme_card(c)->sriov ? 0 : (NVME_MDTS_BYTES >> 12) - 1;
	id->sgls = NVME_SGLS_SUPPORTED | NVME_SGLS_BIT_BUCKET;
	id->psd[0].mp = 2500; /* 25 W */
	make_subnqn(c, id->subnqn);
}

static void fill_ns(struct nvme_ctrl *c, uint32_t nsid, struct nvme_id_ns *id)
{
	const struct nvme_ns *ns = &c->ns[nsid - 1];
	uint64_t blocks = ns->size >> nvme_ns_shift(c, nsid);

	id->nsze = blocks;
	id->ncap = blocks;
	id->nuse = blocks;
	id->nlbaf = NVME_LBA_FORMATS - 1;
	id->flbas = nvme_ns_format(c, nsid);
	id->nmic = nvme_card(c)->sriov ? NVME_NMIC_SHARED : 0;
	id->dlfeat = NVME_DLFEAT_ZEROES | NVME_DLFEAT_DEAC;
	make_nguid(c, nsid, id->nguid);
	make_eui64(c, nsid, id->eui64);
	for (unsigned int i = 0; i < NVME_LBA_FORMATS; i++)
		id->lbaf[i].lbads = nvme_lba_shift[i];
	id->lbaf[0].rp = 1; /* 4096 bytes perform best */
}

static uint16_t identify_ctrl(struct nvme_ctrl *c, struct nvme_req *req)
{
	fill_ctrl(c, (struct nvme_id_ctrl *)(void *)c->page);
	return NVME_SC_SUCCESS;
}

static uint16_t identify_ns(struct nvme_ctrl *c, struct nvme_req *req)
{
	/* FFFFFFFFh asks for what all have in common, which needs namespace management. */
	if (!nvme_nsid_valid(c, req->cmd->nsid))
		return NVME_SC_INVALID_NS_OR_FORMAT;
	fill_ns(c, req->cmd->nsid, (struct nvme_id_ns *)(void *)c->page);
	return NVME_SC_SUCCESS;
}

/* NSIDs above the command's, in order. */
static uint16_t identify_ns_list(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint32_t *list = (uint32_t *)(void *)c->page;

	if (req->cmd->nsid >= NVME_NSID_ALL - 1)
		return NVME_SC_INVALID_NS_OR_FORMAT;
	for (uint64_t nsid = (uint64_t)req->cmd->nsid + 1; nsid <= c->namespaces; nsid++)
		*list++ = (uint32_t)nsid;
	return NVME_SC_SUCCESS;
}

static uint16_t identify_descriptors(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint32_t nsid = req->cmd->nsid;
	uint8_t *p = c->page;

	if (!nvme_nsid_valid(c, nsid))
		return NVME_SC_INVALID_NS_OR_FORMAT;
	p[0] = NVME_NIDT_EUI64;
	p[1] = 8;
	make_eui64(c, nsid, p + 4);
	p += 4 + 8;
	p[0] = NVME_NIDT_NGUID;
	p[1] = 16;
	make_nguid(c, nsid, p + 4);
	p += 4 + 16;
	p[0] = NVME_NIDT_UUID;
	p[1] = 16;
	make_uuid(c, nsid, p + 4);
	return NVME_SC_SUCCESS;
}

/* Controllers with an identifier of at least CNTID (CDW10 31:16): a count, then the list. */
static uint16_t identify_controllers(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint16_t *list = (uint16_t *)(void *)c->page;
	const struct pci_sriov *sriov = nvme_card(c)->sriov;
	unsigned int last = sriov ? sriov->total_vfs : 0;

	for (unsigned int id = req->cmd->cdw10 >> 16; id <= last; id++)
		list[++list[0]] = (uint16_t)id;
	return NVME_SC_SUCCESS;
}

static uint16_t identify_ns_controllers(struct nvme_ctrl *c, struct nvme_req *req)
{
	if (!nvme_nsid_valid(c, req->cmd->nsid))
		return NVME_SC_INVALID_NS_OR_FORMAT;
	return identify_controllers(c, req);
}

static const nvme_handler forms[] = {
	[NVME_CNS_NS] = identify_ns,
	[NVME_CNS_CTRL] = identify_ctrl,
	[NVME_CNS_ACTIVE_NS] = identify_ns_list,
	[NVME_CNS_NS_DESCRIPTORS] = identify_descriptors,
	[NVME_CNS_ALLOCATED_NS] = identify_ns_list,
	[NVME_CNS_ALLOCATED_NS_DATA] = identify_ns,
	[NVME_CNS_NS_CONTROLLERS] = identify_ns_controllers,
	[NVME_CNS_CONTROLLERS] = identify_controllers,
	[NVME_CNS_PRIMARY] = nvme_identify_primary,
	[NVME_CNS_SECONDARY] = nvme_identify_secondary,
};

uint16_t nvme_identify(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint8_t cns = (uint8_t)req->cmd->cdw10;
	uint16_t status;

	if (cns >= ARRAY_SIZE(forms) || !forms[cns])
		return NVME_SC_INVALID_FIELD;
	memset(c->page, 0, sizeof(c->page));
	status = forms[cns](c, req);
	return status ? status : nvme_data_put(c, req->cmd, c->page, sizeof(c->page));
}
