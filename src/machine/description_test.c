/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptions against a registry of two models made for the test. */
#include "machine/description.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/models.h"

static const struct model_option disk_options[] = {
	{ "file", NULL, "backing file" },
	{ "size", "1G", "size" },
	{ "serial", "uvfio", "serial" },
	{ NULL, NULL, NULL },
};
static const struct pci_model disk_model = { .name = "nvme", .options = disk_options };
static const struct pci_model tty_model = { .name = "mtty" };
const struct pci_model *const models[] = { &disk_model, &tty_model, NULL };

const struct pci_model *model_find(const char *name)
{
	for (size_t i = 0; models[i]; i++)
		if (!strcmp(models[i]->name, name))
			return models[i];
	return NULL;
}

static struct description *desc;
static char err[512];

static void setup(void)
{
	ck_assert_int_eq(description_create(&desc), 0);
	err[0] = '\0';
}

static void teardown(void)
{
	description_free(desc);
}

static int add(const char *text)
{
	return description_add_device(desc, text, err, sizeof(err));
}

static int finish(void)
{
	return description_finish(desc, err, sizeof(err));
}

/* A sentence must name each of these. */
static void expect(int ret, const char *a, const char *b)
{
	ck_assert_int_eq(ret, -EINVAL);
	ck_assert_msg(strstr(err, a) && strstr(err, b), "\"%s\" names not %s and %s", err, a, b);
	ck_assert_ptr_null(strchr(err, '\n'));
}

START_TEST(default_machine)
{
	ck_assert_int_eq(finish(), 0);
	ck_assert_uint_eq(desc->num_devices, 1);
	ck_assert_str_eq(desc->devices[0]->model->name, "nvme");
	ck_assert_uint_eq(desc->devices[0]->rid, 0x100);
	ck_assert_str_eq(desc->devices[0]->driver, "vfio-pci");
	ck_assert_int_eq(desc->iommu, DESCRIPTION_IOMMU_AMD);
}
END_TEST

START_TEST(addresses_in_order)
{
	ck_assert_int_eq(add("nvme"), 0);
	ck_assert_int_eq(add("nvme,at=0000:02:00.0"), 0);
	ck_assert_int_eq(add("mtty"), 0);
	ck_assert_int_eq(add("nvme,at=04:00.0"), 0);
	ck_assert_int_eq(add("nvme,at=0000:04:00.3"), 0);
	ck_assert_int_eq(add("nvme,at=0001:01:00.0"), 0);
	ck_assert_int_eq(add("nvme"), 0);
	ck_assert_int_eq(finish(), 0);
	ck_assert_uint_eq(desc->devices[0]->rid, 0x100);
	ck_assert_uint_eq(desc->devices[1]->rid, 0x200);
	ck_assert_uint_eq(desc->devices[2]->rid, 0x300);
	ck_assert_uint_eq(desc->devices[3]->rid, 0x400);
	ck_assert_uint_eq(desc->devices[4]->rid, 0x403);
	ck_assert_uint_eq(desc->devices[5]->rid, 0x10100);
	ck_assert_uint_eq(desc->devices[6]->rid, 0x500);
}
END_TEST

START_TEST(options_reach_the_model)
{
	const struct model_config *config;

	ck_assert_int_eq(add("nvme,serial=a,,b,size=4M,driver=none,acs=off"), 0);
	config = &desc->devices[0]->config;
	ck_assert_str_eq(config->get(config, "serial"), "a,b");
	ck_assert_str_eq(config->get(config, "size"), "4M");
	ck_assert_str_eq(config->get(config, "file"), "");
	ck_assert(config->is_set(config, "size"));
	ck_assert(!config->is_set(config, "file"));
	ck_assert_str_eq(desc->devices[0]->driver, "none");
	ck_assert(!desc->devices[0]->acs);
	ck_assert_int_eq(add("nvme"), 0);
	config = &desc->devices[1]->config;
	ck_assert_str_eq(config->get(config, "size"), "1G");
	ck_assert(!config->is_set(config, "size"));
}
END_TEST

START_TEST(sentences)
{
	expect(add("nvmee"), "\"nvmee\"", "\"nvme\"");
	expect(add("floppy"), "\"floppy\"", "uvfio models");
	expect(add(""), "unknown model \"\"", "uvfio models");
	expect(add("nvme,fil=x"), "\"fil\"", "\"file\"");
	expect(add("nvme,zzzzzzzzzz=x"), "\"zzzzzzzzzz\"", "uvfio models nvme");
	expect(add("mtty,ats=x"), "\"ats\"", "\"at\"");
	expect(add("nvme,size"), "\"size\"", "KEY=VALUE");
	expect(add("nvme,"), "\"\"", "KEY=VALUE");
	expect(add("nvme,size=1M,size=2M"), "\"size\"", "twice");
	expect(add("nvme,at=banana"), "banana", "0000:01:00.0");
	expect(add("nvme,at=0000:01:00.8"), "0000:01:00.8", "0000:01:00.0");
	expect(add("nvme,at=0000:01:00.0x"), "0000:01:00.0x", "0000:01:00.0");
	expect(add("nvme,at=0000:00:01.0"), "0000:00:01.0", "bus");
	expect(add("nvme,at=0000:01:02.0"), "0000:01:02.0", "slot");
	expect(add("nvme,acs=maybe"), "acs=maybe", "on or off");
	expect(add("nvme,driver="), "driver=", "none");
	expect(add("nvme,serial=a\nb"), "serial", "line");
	ck_assert_uint_eq(desc->num_devices, 0);
	expect(description_set_iommu(desc, "arm", err, sizeof(err)), "\"arm\"", "intel");
	expect(description_add_module(desc, "nosuch", NULL, err, sizeof(err)), "nosuch", "object");
	ck_assert_ptr_null(desc->load);
	ck_assert_int_eq(description_add_module(desc, "vfio-mdev", NULL, err, sizeof(err)), 0);
	ck_assert_int_eq(description_add_module(desc, "mtty", NULL, err, sizeof(err)), 0);
	ck_assert_str_eq(desc->load, " vfio_mdev mtty");
	ck_assert_int_eq(add("nvme,at=01:00.0"), 0);
	ck_assert_int_eq(add("nvme,at=0000:01:00.0"), 0);
	expect(finish(), "0000:01:00.0", "taken");
}
END_TEST

START_TEST(function_zero_must_be_there)
{
	ck_assert_int_eq(add("nvme,at=01:00.1"), 0);
	expect(finish(), "0000:01:00.1", "0000:01:00.0");
}
END_TEST

static char dir[] = "/tmp/uvfio-description-XXXXXX";
static char file[64];

static void write_file(const char *text)
{
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/m.ini", dir);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static int parse(const char *text)
{
	int ret;

	write_file(text);
	ret = description_parse_file(desc, file, err, sizeof(err));
	unlink(file);
	rmdir(dir);
	return ret;
}

START_TEST(ini_file)
{
	char path[64];

	ck_assert_int_eq(parse("[machine]\niommu = intel\n\n[disk]\nmodel = nvme\nfile = d.img\n"
			       "; a remark\n[0000:05:00.0]\nmodel=nvme\nserial = x,y\n"),
			 0);
	ck_assert_int_eq(finish(), 0);
	ck_assert_int_eq(desc->iommu, DESCRIPTION_IOMMU_INTEL);
	ck_assert_uint_eq(desc->num_devices, 2);
	snprintf(path, sizeof(path), "%s/d.img", dir);
	ck_assert_str_eq(description_device_option(desc->devices[0], "file"), path);
	ck_assert_uint_eq(desc->devices[1]->rid, 0x500);
	ck_assert_str_eq(description_device_option(desc->devices[1], "serial"), "x,y");
}
END_TEST

static const struct {
	const char *text, *a, *b;
} bad_files[] = {
	{ "[disk]\nfile = x\n", ":2:", "model=" },
	{ "[disk]\nmodel = nvm\n", ":2:", "\"nvme\"" },
	{ "[disk]\nmodel = nvme\nmodel = nvme\n", ":3:", "section name" },
	{ "model = nvme\n", ":1:", "[machine]" },
	{ "[machine]\ncolour = red\n", "\"colour\"", "iommu" },
	{ "[disk]\nmodel = nvme\nrubbish\n", ":3:", "KEY = VALUE" },
	{ "[disk]\nmodel = nvme\nserial = "
	  "0123456789012345678901234567890123456789012345678901234567890123456789"
	  "0123456789012345678901234567890123456789012345678901234567890123456789"
	  "0123456789012345678901234567890123456789012345678901234567890123456789"
	  "\n",
	  ":3:", "longer" },
};

START_TEST(bad_ini_files)
{
	expect(parse(bad_files[_i].text), bad_files[_i].a, bad_files[_i].b);
}
END_TEST

START_TEST(missing_ini_file)
{
	ck_assert_int_eq(description_parse_file(desc, "/nonexistent/m.ini", err, sizeof(err)),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(err, "/nonexistent/m.ini"));
	ck_assert_int_eq(description_parse_file(desc, "/", err, sizeof(err)), -EISDIR);
	ck_assert_ptr_nonnull(strstr(err, "description /: "));
}
END_TEST

START_TEST(round_trip)
{
	struct description *copy;

	write_file("");
	ck_assert_int_eq(add("nvme,serial=a,,b,file=/x,,y,driver=none"), 0);
	ck_assert_int_eq(add("mtty,at=0001:07:00.0,acs=off"), 0);
	ck_assert_int_eq(description_set_iommu(desc, "none", err, sizeof(err)), 0);
	ck_assert_int_eq(finish(), 0);
	ck_assert_int_eq(description_write(desc, file), 0);
	ck_assert_int_eq(description_create(&copy), 0);
	ck_assert_int_eq(description_read(copy, file, err, sizeof(err)), 0);
	ck_assert_int_eq(copy->iommu, DESCRIPTION_IOMMU_NONE);
	ck_assert_uint_eq(copy->num_devices, 2);
	ck_assert_str_eq(description_device_option(copy->devices[0], "serial"), "a,b");
	ck_assert_str_eq(description_device_option(copy->devices[0], "file"), "/x,y");
	ck_assert_str_eq(copy->devices[0]->driver, "none");
	ck_assert_uint_eq(copy->devices[0]->rid, 0x100);
	ck_assert_uint_eq(copy->devices[1]->rid, 0x10700);
	ck_assert(!copy->devices[1]->acs);
	description_free(copy);
	unlink(file);
	rmdir(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("description");
	TCase *tc = tcase_create("description");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, default_machine);
	tcase_add_test(tc, addresses_in_order);
	tcase_add_test(tc, options_reach_the_model);
	tcase_add_test(tc, sentences);
	tcase_add_test(tc, function_zero_must_be_there);
	tcase_add_test(tc, ini_file);
	tcase_add_loop_test(tc, bad_ini_files, 0, ARRAY_SIZE(bad_files));
	tcase_add_test(tc, missing_ini_file);
	tcase_add_test(tc, round_trip);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
