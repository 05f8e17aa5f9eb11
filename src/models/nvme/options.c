/* SPDX-License-Identifier: BSD-3-Clause */
/* The options behind `-d nvme,…`: parsing, and where the medium is and how it is divided. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "models/nvme/nvme_priv.h"
#include "pci/sriov.h"

const struct model_option nvme_options[] = {
	{ "file", "", "the disk's contents: a file or block device; without it a disk in memory" },
	{ "size", "1G",
	  "bytes of all namespaces together, with K, M, G or T; default with file=: the "
	  "file's size" },
	{ "ns", "1", "namespaces, which share the size equally: 1 to 128" },
	{ "serial", "", "serial number, at most 20 characters; default: made from the address" },
	{ "queues", "64", "I/O queue pairs: 1 to 64" },
	{ "block", "512", "logical block size at first: 512 or 4096" },
	{ "msi", "0",
	  "messages of an MSI capability beside MSI-X: 0 (none), 1, 2, 4, 8, 16 or 32" },
	{ "vfs", "0", "virtual functions, each a secondary controller: 0 to 64" },
	{ "bandwidth", "0",
	  "bytes a second that its slices share (driver=nvme_mdev), with K, M, G or T; 0: as fast "
	  "as it goes" },
	{ "doorbell", "adaptive", "how doorbells are served: adaptive, inline or polled" },
	{ NULL, NULL, NULL },
};

static int bad(char *err, size_t err_size, const char *key, const char *value, const char *way_out)
{
	snprintf(err, err_size, "%s=%s: %s", key, value, way_out);
	return -EINVAL;
}

/* A decimal number in [@min, @max]. */
static bool parse_number(const char *text, unsigned int min, unsigned int max, unsigned int *out)
{
	unsigned long v;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v < min || v > max)
		return false;
	*out = (unsigned int)v;
	return true;
}

static bool parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	unsigned long long v;
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);
		if (!unit || end[1])
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	/* 47 bits are more than a process can map. */
	if (v == 0 || v > (1ULL << 46) >> shift)
		return false;
	*out = (uint64_t)v << shift;
	return true;
}

static bool power_of_two(unsigned int v)
{
	return (v & (v - 1)) == 0;
}

static int parse_serial(struct nvme_ctrl *c, const char *serial, char *err, size_t err_size)
{
	size_t len = strlen(serial);

	if (!len) {
		/* Two controllers with one serial number would be taken for one subsystem. */
		snprintf(c->serial, sizeof(c->serial), "UVFIO%08X", nvme_card(c)->rid);
		return 0;
	}
	for (size_t i = 0; i < len; i++)
		if (serial[i] < ' ' || serial[i] > '~')
			return bad(err, err_size, "serial", serial,
				   "only printable ASCII is allowed");
	if (len >= sizeof(c->serial))
		return bad(err, err_size, "serial", serial, "at most 20 characters are possible");
	memcpy(c->serial, serial, len + 1);
	return 0;
}

/* The BAR is the PF's; routing ids follow its own. */
void nvme_sriov(const struct model_config *config, struct pci_sriov *out)
{
	unsigned int vfs;

	if (!parse_number(config->get(config, "vfs"), 0, NVME_MAX_VFS, &vfs))
		return;
	*out = (struct pci_sriov){
		.total_vfs = (uint16_t)vfs,
		.offset = 1,
		.stride = 1,
		.vf_device = 0x0010,
		.bar = { [0] = { NVME_BAR_SIZE, PCI_BASE_ADDRESS_MEM_TYPE_64 } },
		.vf_model = &nvme_vf_model,
	};
}

static int parse_numbers(struct nvme_ctrl *c, const struct model_config *config, unsigned int *msi,
			 char *err, size_t err_size)
{
	const char *v;
	unsigned int block, vfs;

	v = config->get(config, "ns");
	if (!parse_number(v, 1, NVME_MAX_NS, &c->namespaces))
		return bad(err, err_size, "ns", v, "give a number from 1 to 128");
	v = config->get(config, "queues");
	if (!parse_number(v, 1, NVME_MAX_PAIRS, &c->pairs))
		return bad(err, err_size, "queues", v, "give a number from 1 to 64");
	v = config->get(config, "block");
	if (!parse_number(v, 512, 4096, &block) || (block != 512 && block != 4096))
		return bad(err, err_size, "block", v, "give 512 or 4096");
	c->first_format = block == 4096;
	v = config->get(config, "msi");
	if (!parse_number(v, 0, 32, msi) || !power_of_two(*msi))
		return bad(err, err_size, "msi", v, "give 0, 1, 2, 4, 8, 16 or 32");
	v = config->get(config, "doorbell");
	if (pci_doorbell_mode(v, &c->doorbell_mode))
		return bad(err, err_size, "doorbell", v, "give adaptive, inline or polled");
	v = config->get(config, "vfs");
	if (!parse_number(v, 0, NVME_MAX_VFS, &vfs))
		return bad(err, err_size, "vfs", v, "give a number from 0 to 64");
	c->private_pairs = c->pairs;
	c->vectors = c->pairs + 1;
	return 0;
}

/* Divides the medium. A namespace starts on a page, so that pages belong to one alone. */
static int divide(struct nvme_ctrl *c, char *err, size_t err_size)
{
	unsigned int shift = nvme_lba_shift[c->first_format];
	uint64_t total = c->backing.size, each = total;

	if (!IS_ALIGNED(total, 1ULL << shift)) {
		snprintf(
			err, err_size,
			"block=%u: the disk's %llu bytes are no multiple of it; make it %llu bytes",
			1u << shift, (unsigned long long)total,
			(unsigned long long)ALIGN_UP(total, 1ULL << shift));
		return -EINVAL;
	}
	if (c->namespaces > 1)
		each = ALIGN_DOWN(total / c->namespaces, HOST_PAGE_SIZE);
	if (!each) {
		snprintf(err, err_size,
			 "ns=%u: %llu bytes are too few for namespaces of at least 4096 bytes; "
			 "choose a larger size= or fewer",
			 c->namespaces, (unsigned long long)total);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < c->namespaces; i++)
		c->ns[i] = (struct nvme_ns){ .off = i * each, .size = each };
	return 0;
}

static int parse_bandwidth(struct nvme_ctrl *c, const char *text, char *err, size_t err_size)
{
	if (strcmp(text, "0") && !parse_size(text, &c->bandwidth))
		return bad(err, err_size, "bandwidth", text,
			   "give a number of bytes a second, with K, M, G or T behind it, or 0");
	return 0;
}

static int parse_medium(struct nvme_ctrl *c, const struct model_config *config, char *err,
			size_t err_size)
{
	const char *file = config->get(config, "file"), *text = config->get(config, "size");
	/* Not an option of the user's: where machine/ keeps a disk in memory for the session. */
	const char *session_file = config->get(config, "backing");
	uint64_t size;
	int rc;

	if (!parse_size(text, &size))
		return bad(err, err_size, "size", text,
			   "give a number of bytes above 0, or one with K, M, G or T behind it");
	if (!*file && config->is_set(config, "file"))
		return bad(err, err_size, "file", file,
			   "name a file, or leave it out for a disk in memory");
	if (*file) {
		rc = nvme_backing_file(&c->backing, file, config->is_set(config, "size") ? size : 0,
				       err, err_size);
		if (rc)
			return rc;
	} else if (nvme_backing_memory(&c->backing,
				       session_file && *session_file ? session_file : NULL, size)) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	return divide(c, err, err_size);
}

int nvme_parse(struct nvme_ctrl *c, const struct model_config *config, unsigned int *msi, char *err,
	       size_t err_size)
{
	int rc = parse_numbers(c, config, msi, err, err_size);

	if (!rc)
		rc = parse_bandwidth(c, config->get(config, "bandwidth"), err, err_size);
	if (!rc)
		rc = parse_serial(c, config->get(config, "serial"), err, err_size);
	if (!rc)
		rc = parse_medium(c, config, err, err_size);
	return rc;
}
