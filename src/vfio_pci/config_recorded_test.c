/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config space of other functions than ours, compared with what Linux's vfio-pci makes of them: all
 * offsets, widths and four patterns, and writes that are not aligned.
 *
 * A record (tests/config/record.c says how it is made and what its lines mean) has the function's
 * own bytes and the bits that its silicon lets one write. A function is made of these here; what a
 * user then reads and can change must be what the record says.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci/model.h"
#include "vfio_pci/config_writes.h"
#include "vfio_pci/testdev.h"

static const struct pci_model model = { .name = "recorded" };

static struct {
	uint8_t raw[PCI_CFG_EXT_SIZE], wmask[PCI_CFG_EXT_SIZE];
	unsigned int size;
	struct {
		uint64_t start, size, flags;
	} bar[PCI_NUM_REGIONS];
} rec;

static const char *name;
static unsigned int compared, wrong;

static uint16_t raw_word(unsigned int off)
{
	return (uint16_t)(rec.raw[off] | rec.raw[off + 1] << 8);
}

static uint32_t raw_long(unsigned int off)
{
	return raw_word(off) | (uint32_t)raw_word(off + 2) << 16;
}

/* ---- the function ---------------------------------------------------------------------------- */

/* What has effects is made by its builder; the bytes come from the record afterwards. */
static void add_cap(struct pci_dev *dev, unsigned int pos)
{
	uint8_t at = (uint8_t)pos;
	uint32_t table;

	switch (rec.raw[pos]) {
	case PCI_CAP_ID_PM:
		ck_assert_int_eq(pci_add_pm_cap_at(dev, at), at);
		break;
	case PCI_CAP_ID_EXP:
		/* Version 1 is shorter and may lie at the end. */
		if ((raw_word(pos + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_VERS) == 1) {
			ck_assert_int_eq(pci_add_capability_at(dev, PCI_CAP_ID_EXP, at, 0x14), at);
			dev->pcie_cap = at;
			break;
		}
		ck_assert_int_eq(pci_add_pcie_cap_at(dev, at, PCI_EXP_TYPE_ENDPOINT), at);
		if (raw_long(pos + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR)
			pci_add_pcie_flr(dev);
		break;
	case PCI_CAP_ID_MSI:
		ck_assert_int_eq(pci_add_msi_cap_at(dev, at, 1u << ((raw_word(pos + 2) >> 1) & 7),
						    raw_word(pos + 2)),
				 at);
		break;
	case PCI_CAP_ID_MSIX:
		/* Its table may share a page with other registers: that is not looked at here. */
		table = raw_long(pos + PCI_MSIX_TABLE);
		if (pci_add_msix_cap_at(dev, at, (raw_word(pos + 2) & 0x7ffu) + 1, table & 7,
					table & ~7u, raw_long(pos + PCI_MSIX_PBA) & ~7u) < 0)
			ck_assert_int_eq(pci_add_capability_at(dev, PCI_CAP_ID_MSIX, at, 12), at);
		break;
	default:
		break;
	}
}

static void set_bytes(struct pci_dev *dev)
{
	for (unsigned int i = 0; i < rec.size; i++) {
		dev->config[i] = rec.raw[i];
		dev->wmask[i] = rec.wmask[i];
	}
	/* The host's writes to these were held back or lost while it was recorded. */
	if (dev->pcie_cap && pci_has_flr(dev))
		dev->wmask[dev->pcie_cap + PCI_EXP_DEVCTL + 1] |= 0x80;
	if (dev->pm_cap)
		dev->wmask[dev->pm_cap + PCI_PM_CTRL] |= PCI_PM_CTRL_STATE_MASK;
}

static void make_function(void)
{
	struct pci_dev *dev;
	unsigned int pos;

	ck_assert_int_eq(pci_dev_create(0x0100, &model, &dev), 0);
	dev->cfg_size = (uint16_t)rec.size;
	for (unsigned int i = 0; i < PCI_NUM_REGIONS; i++) {
		uint32_t flags = rec.bar[i].flags & 0x100      ? PCI_BASE_ADDRESS_SPACE_IO
				 : rec.bar[i].flags & 0x100000 ? PCI_BASE_ADDRESS_MEM_TYPE_64
							       : 0;

		if (rec.bar[i].flags & 0x2000 && i < PCI_ROM_BAR)
			flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
		if (rec.bar[i].size)
			ck_assert_int_eq(pci_dev_add_bar(dev, i, rec.bar[i].size, flags), 0);
		dev->bar[i].addr = rec.bar[i].start;
	}
	for (pos = rec.raw[PCI_CAPABILITY_LIST]; pos; pos = rec.raw[pos + 1])
		add_cap(dev, pos);
	set_bytes(dev);
	pci_dev_created(dev);
	ck_assert_int_eq(vfio_pci_device_create(dev, &test_vpd), 0);
	test_pdev = dev;
	testdev_open();
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void expect(unsigned int off, const struct config_write *w, uint32_t kernel)
{
	uint32_t ours = test_read(off, 4);

	compared++;
	if (ours == kernel || wrong++ > 20)
		return;
	if (w)
		printf("%s: %03x: %08x written at +%u, %u bytes: kernel %08x, here %08x\n", name,
		       off, w->pattern, w->at, w->width, kernel, ours);
	else
		printf("%s: %03x: kernel %08x, here %08x\n", name, off, kernel, ours);
}

static void user_line(const char *line)
{
	unsigned int first, last, value;
	int used = 0;

	ck_assert_int_eq(sscanf(line, "user %x %x %x%n", &first, &last, &value, &used), 3);
	for (unsigned int off = first; off <= last; off += 4) {
		const char *p = line + used;

		expect(off, NULL, value);
		for (unsigned int i = 0; i < N_WRITES; i++) {
			uint32_t kernel = value;

			test_write(off + writes[i].at, writes[i].width, writes[i].pattern);
			if (!strncmp(p, " rw", 3))
				kernel = merged(value, &writes[i]);
			else if (strncmp(p, " ro", 3))
				kernel = (uint32_t)strtoul(line + used + 9 * i, NULL, 16);
			expect(off, &writes[i], kernel);
			test_write(off, 4, value);
		}
	}
}

static void write_wide(unsigned int off, unsigned int width)
{
	uint64_t value = ODD_PATTERN;

	ck_assert_int_eq(vfio_pci_ops.region_write(&test_vpd->vdev, VFIO_PCI_CONFIG_REGION_INDEX,
						   off, &value, width),
			 width);
}

static void odd_line(const char *line)
{
	static unsigned int off;
	unsigned int block, kernel;
	uint32_t hash = FNV_START, old[3];
	bool ends = false;

	ck_assert_int_eq(sscanf(line, "odd %x %x", &block, &kernel), 2);
	if (!block)
		off = 1;
	for (; !ends; off += odd_step(off)) {
		unsigned int word = off & ~3u;

		for (unsigned int i = 0; i < 3; i++)
			old[i] = test_read(word + 4 * i, 4);
		for (unsigned int i = 0; i < N_ODD_WIDTHS; i++) {
			write_wide(off, odd_widths[i]);
			for (unsigned int k = 0; k < 3; k++)
				hash = fnv(hash, test_read(word + 4 * k, 4));
			for (unsigned int k = 0; k < 3; k++)
				test_write(word + 4 * k, 4, old[k]);
		}
		ends = odd_block_ends(off);
	}
	compared++;
	if (hash != kernel && wrong++ <= 20)
		printf("%s: writes at odd places in the 32 bytes at %03x differ\n", name, block);
}

/* ---- the record ------------------------------------------------------------------------------ */

static void description_line(const char *line)
{
	unsigned int i, first, last, mask, byte;
	unsigned long long start, size, flags;
	const char *hex;

	if (sscanf(line, "bar %u %llx %llx %llx", &i, &start, &size, &flags) == 4) {
		rec.bar[i].start = start;
		rec.bar[i].size = size;
		rec.bar[i].flags = flags;
	} else if (sscanf(line, "raw %x", &first) == 1) {
		hex = line + 8;
		for (i = 0; i < 16 && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
			rec.raw[first + i] = (uint8_t)byte;
	} else if (sscanf(line, "hw %x %x %x", &first, &last, &mask) == 3) {
		for (unsigned int off = first; off < last + 4; off++)
			rec.wmask[off] = (uint8_t)(mask >> (8 * (off % 4)));
	}
}

/* The whole function is read before it is made. */
static void play(FILE *f, void (*fn)(const char *line))
{
	char line[512];

	while (fgets(line, sizeof(line), f))
		fn(line);
}

static void compare_line(const char *line)
{
	if (!strncmp(line, "user ", 5))
		user_line(line);
	else if (!strncmp(line, "odd ", 4))
		odd_line(line);
}

static char records[32][64];
static int n_records;

START_TEST(as_recorded)
{
	char path[512], line[512];
	FILE *f;

	name = records[_i];
	snprintf(path, sizeof(path), "%s/%s", getenv("CONFIG_RECORDS"), name);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	memset(&rec, 0, sizeof(rec));
	do
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	while (sscanf(line, "function %*x:%*x %*x %u", &rec.size) != 1);
	play(f, description_line);
	make_function();
	rewind(f);
	play(f, compare_line);
	fclose(f);
	testdev_close();
	testdev_destroy();
	ck_assert_uint_gt(compared, 1800);
	fflush(stdout);
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void find_records(void)
{
	const char *dir = getenv("CONFIG_RECORDS");
	DIR *d = dir ? opendir(dir) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d)) && n_records < 32)
		if (e->d_name[0] != '.')
			snprintf(records[n_records++], sizeof(records[0]), "%.60s", e->d_name);
	if (d)
		closedir(d);
	qsort(records, (size_t)n_records, sizeof(records[0]), by_name);
}

int main(void)
{
	Suite *s = suite_create("vfio_pci config, recorded");
	TCase *tc = tcase_create("records");
	SRunner *r;
	int failed;

	find_records();
	if (!n_records) {
		fprintf(stderr, "no records in $CONFIG_RECORDS\n");
		return 1;
	}
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, as_recorded, 0, n_records);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
