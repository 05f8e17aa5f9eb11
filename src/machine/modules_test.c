/* SPDX-License-Identifier: BSD-3-Clause */
/* Modules: loading and unloading, what comes and goes with them, native drivers; in this process
 * and as another process of the session sees it. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "file/file.h"
#include "machine/launch.h"
#include "machine/machine.h"
#include "machine/module_ids.h"
#include "machine/modules.h"
#include "machine/session_create.h"

#define BDF    "0000:01:00.0"
#define DEV    "/sys/bus/pci/devices/" BDF
#define DRIVER "/sys/bus/pci/drivers/"

static struct session *session;
static struct uvfio_machine *machine;
static char base[] = "/tmp/uvfio-modules-XXXXXX";

static void start(const char *device, const char *another)
{
	struct description *desc;
	char err[512];

	ck_assert_int_eq(description_create(&desc), 0);
	ck_assert_int_eq(description_add_device(desc, device, err, sizeof(err)), 0);
	if (another)
		ck_assert_int_eq(description_add_device(desc, another, err, sizeof(err)), 0);
	ck_assert_msg(machine_launch(desc, &session_identity_root, &session, &machine, err,
				     sizeof(err)) == 0,
		      "%s", err);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(base));
	setenv("UVFIO_DIR", base, 1);
	start("nvme,size=16M", NULL);
}

static void teardown(void)
{
	char command[128];

	machine_detach(machine);
	session_remove(session);
	session_close(session);
	snprintf(command, sizeof(command), "rmdir %s", base);
	ck_assert_int_eq(system(command), 0);
}

static bool exists(const char *path)
{
	char real[4096];

	snprintf(real, sizeof(real), "%s%s", session_dir(session), path);
	return access(real, F_OK) == 0;
}

static const char *driver_of(const char *device)
{
	static char target[256];
	char real[4096];
	ssize_t len;

	snprintf(real, sizeof(real), "%s%s/driver", session_dir(session), device);
	len = readlink(real, target, sizeof(target) - 1);
	if (len < 0)
		return "";
	target[len] = '\0';
	return strrchr(target, '/') + 1;
}

static int put(const char *path, const char *text)
{
	ssize_t ret = machine_write(machine, path, text, strlen(text));

	return ret < 0 ? (int)ret : 0;
}

START_TEST(the_table_is_sound)
{
	for (const struct module_info *info = module_table; info->name; info++) {
		char names[512], *save = NULL;

		ck_assert(info[1].name == NULL || strcmp(info->name, info[1].name) < 0);
		ck_assert(info->path && info->license && info->depends && info->coresize);
		ck_assert(!info->driver || info->ids);
		snprintf(names, sizeof(names), "%s", info->depends);
		for (char *dep = strtok_r(names, " ", &save); dep; dep = strtok_r(NULL, " ", &save))
			ck_assert_msg(module_find(dep) != NULL, "%s needs %s", info->name, dep);
	}
	ck_assert_ptr_eq(module_find("vfio-pci"), module_find("vfio_pci"));
	ck_assert_ptr_null(module_find("vfio_pc"));
	ck_assert(module_list_has("a bc d", "bc") && !module_list_has("a bcd", "bc"));
}
END_TEST

START_TEST(aliases)
{
	char alias[128];
	struct pci_device_id id = module_ids_get(&module_ids_ioatdma, 0);

	module_ids_alias(&id, alias, sizeof(alias));
	ck_assert(!strncmp(alias, "pci:v00008086d0000", 18));
	ck_assert_ptr_nonnull(strstr(alias, "sv*sd*bc*sc*i*"));
	id = module_ids_get(&module_ids_nvme, module_ids_count(&module_ids_nvme) - 1);
	module_ids_alias(&id, alias, sizeof(alias));
	ck_assert_str_eq(alias, "pci:v*d*sv*sd*bc01sc08i02*");
}
END_TEST

START_TEST(what_a_session_starts_with)
{
	struct module_state state;

	ck_assert(machine_module_loaded(machine, "nvme", NULL));
	ck_assert(!machine_module_loaded(machine, "igb", NULL) && !exists("/sys/module/igb"));
	ck_assert(exists(DRIVER "nvme/bind") && exists(DRIVER "nvme/new_id"));
	ck_assert(exists("/sys/module/nvme/drivers/pci:nvme/unbind"));
	ck_assert(exists(DRIVER "nvme/module/holders"));
	ck_assert_str_eq(driver_of(DEV), "vfio-pci");
	ck_assert(machine_module_loaded(machine, "vfio", &state));
	ck_assert_str_eq(state.holders, "vfio_pci,vfio_pci_core,vfio_iommu_type1,");
	ck_assert_uint_eq(state.refcnt, 4); /* and the bound function */
	ck_assert_int_eq(put(DEV "/driver/unbind", BDF), 0);
	ck_assert(machine_module_loaded(machine, "vfio", &state));
	ck_assert_uint_eq(state.refcnt, 3);
}
END_TEST

START_TEST(load_and_unload)
{
	ck_assert_int_eq(machine_module_load(machine, "nosuch", ""), -ENOEXEC);
	ck_assert_int_eq(machine_module_load(machine, "igb", ""), -ENOENT);
	ck_assert_int_eq(machine_module_load(machine, "dca", ""), 0);
	ck_assert_int_eq(machine_module_load(machine, "i2c_algo_bit", ""), 0);
	ck_assert_int_eq(machine_module_load(machine, "igb", ""), 0);
	ck_assert_int_eq(machine_module_load(machine, "igb", ""), -EEXIST);
	ck_assert(exists("/sys/module/igb/drivers/pci:igb") && exists(DRIVER "igb/bind"));
	ck_assert(exists("/sys/module/dca/holders/igb"));
	ck_assert_int_eq(machine_module_unload(machine, "dca"), -EWOULDBLOCK);
	ck_assert_int_eq(machine_module_unload(machine, "igb"), 0);
	ck_assert(!exists("/sys/module/igb") && !exists(DRIVER "igb"));
	ck_assert(!exists("/sys/module/dca/holders/igb"));
	ck_assert_int_eq(machine_module_unload(machine, "dca"), 0);
	ck_assert_int_eq(machine_module_unload(machine, "dca"), -ENOENT);
}
END_TEST

START_TEST(a_native_driver_takes_and_gives)
{
	ck_assert_int_eq(put(DEV "/driver/unbind", BDF), 0);
	ck_assert_int_eq(put(DRIVER "nvme/bind", BDF), -ENODEV); /* the override says vfio-pci */
	ck_assert_int_eq(put(DEV "/driver_override", "\n"), 0);
	ck_assert_int_eq(put(DRIVER "nvme/bind", BDF), 0);
	ck_assert_str_eq(driver_of(DEV), "nvme");
	ck_assert_int_eq(put(DRIVER "nvme/bind", BDF), -EBUSY);
	ck_assert_int_eq(put(DEV "/enable", "1"), -EBUSY);
	/* Unloading gives it back, loading takes it again. */
	ck_assert_int_eq(machine_module_unload(machine, "nvme"), 0);
	ck_assert_str_eq(driver_of(DEV), "");
	ck_assert_int_eq(machine_module_load(machine, "nvme", ""), 0);
	ck_assert_str_eq(driver_of(DEV), "nvme");
	/* vfio-pci gets it by its number. */
	ck_assert_int_eq(put(DRIVER "nvme/unbind", BDF), 0);
	ck_assert_int_eq(put(DRIVER "vfio-pci/new_id", "1b36 0010"), 0);
	ck_assert_str_eq(driver_of(DEV), "vfio-pci");
	ck_assert(exists("/dev/vfio/2"));
}
END_TEST

START_TEST(without_vfio)
{
	ck_assert_int_eq(machine_module_unload(machine, "vfio"), -EWOULDBLOCK);
	ck_assert_int_eq(machine_module_unload(machine, "vfio_pci"), 0);
	ck_assert(!exists(DRIVER "vfio-pci") && !exists("/dev/vfio/2"));
	ck_assert_str_eq(driver_of(DEV), "");
	ck_assert_int_eq(machine_module_unload(machine, "vfio_pci_core"), 0);
	ck_assert_int_eq(machine_module_unload(machine, "vfio_iommu_type1"), 0);
	ck_assert_int_eq(machine_module_unload(machine, "vfio"), 0);
	ck_assert(!exists("/dev/vfio") && !exists("/sys/class/vfio"));
	ck_assert_int_eq(machine_module_load(machine, "vfio", "enable_unsafe_noiommu_mode=1"), 0);
	ck_assert(exists("/dev/vfio/vfio") && exists("/sys/class/misc/vfio/dev"));
	ck_assert_int_eq(machine_module_load(machine, "vfio_iommu_type1", ""), 0);
	ck_assert_int_eq(machine_module_load(machine, "vfio_pci_core", ""), 0);
	ck_assert_int_eq(machine_module_load(machine, "vfio_pci", "disable_vga=maybe"), -EINVAL);
	ck_assert_int_eq(machine_module_load(machine, "vfio_pci", "ids=1b36:0010,zz nointxmask"),
			 0);
	/* The override is there as before, so that the ids change nothing; without it they do. */
	ck_assert_int_eq(put(DEV "/driver_override", "\n"), 0);
	ck_assert_int_eq(put("/sys/bus/pci/drivers_probe", BDF), 0);
	ck_assert_str_eq(driver_of(DEV), "vfio-pci");
}
END_TEST

/* What @name has as its parameter @parm, in a process that has just come. */
static void check_param(const char *name, const char *expected)
{
	struct uvfio_machine *other;
	struct session *again;
	char path[256], text[64], err[512];
	struct file *file;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	ck_assert_int_eq(session_open(session_dir(session), &again), 0);
	machine_detach(machine);
	ck_assert_int_eq(machine_attach(again, &other, err, sizeof(err)), 0);
	ck_assert_int_eq(machine_open(other, path, O_RDONLY, &file), 0);
	len = file_pread(file, (uintptr_t)text, sizeof(text) - 1, 0);
	ck_assert_int_gt(len, 0);
	text[len] = '\0';
	ck_assert_str_eq(text, expected);
	file_put(file);
	machine_detach(other);
	session_close(again);
	ck_assert_int_eq(machine_attach(session, &machine, err, sizeof(err)), 0);
}

START_TEST(parameters_are_the_sessions)
{
	/* What the session's start has loaded takes them once. */
	ck_assert_int_eq(machine_module_load(machine, "vfio", "enable_unsafe_noiommu_mode=1"), 0);
	check_param("vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	ck_assert_int_eq(machine_module_load(machine, "vfio", "enable_unsafe_noiommu_mode=0"),
			 -EEXIST);
	ck_assert_int_eq(machine_module_unload(machine, "vfio_iommu_type1"), 0);
	ck_assert_int_eq(machine_module_load(machine, "vfio_iommu_type1", "dma_entry_limit=7"), 0);
	check_param("vfio_iommu_type1/parameters/dma_entry_limit", "7\n");
	ck_assert_int_eq(machine_module_unload(machine, "vfio_iommu_type1"), 0);
	ck_assert_int_eq(machine_module_load(machine, "vfio_iommu_type1", "unknown=1"), 0);
	check_param("vfio_iommu_type1/parameters/dma_entry_limit", "65535\n");
}
END_TEST

/* Another machine instead of the fixture's. */
static void restart(const char *device, const char *another)
{
	teardown();
	strcpy(base + strlen(base) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	setenv("UVFIO_DIR", base, 1);
	start(device, another);
}

/* Somebody has the group: what its functions are and are not for then. */
START_TEST(a_group_in_use)
{
	struct module_state state;
	int claim;

	restart("nvme,at=" BDF ",acs=off,size=16M", "nvme,at=0000:01:00.1,size=16M,driver=none");
	claim = session_claim_group(session, 1);
	ck_assert_int_ge(claim, 0);
	ck_assert(machine_module_loaded(machine, "vfio_pci", &state));
	ck_assert_uint_eq(state.refcnt, 1);
	ck_assert(machine_module_loaded(machine, "vfio_iommu_type1", &state));
	ck_assert_uint_eq(state.refcnt, 1);
	ck_assert_int_eq(machine_module_unload(machine, "vfio_pci"), -EWOULDBLOCK);
	ck_assert_int_eq(machine_module_unload(machine, "vfio_iommu_type1"), -EWOULDBLOCK);
	ck_assert_int_eq(put(DRIVER "nvme/bind", "0000:01:00.1"), -EBUSY);
	ck_assert_str_eq(driver_of("/sys/bus/pci/devices/0000:01:00.1"), "");
	ck_assert_int_eq(machine_module_load(machine, "pci_stub", "ids=1b36:0010"), 0);
	ck_assert_str_eq(driver_of("/sys/bus/pci/devices/0000:01:00.1"), "pci-stub");
	session_unlock(claim);
	ck_assert_int_eq(put(DRIVER "pci-stub/unbind", "0000:01:00.1"), 0);
	ck_assert_int_eq(put(DRIVER "nvme/bind", "0000:01:00.1"), 0);
}
END_TEST

START_TEST(described_drivers)
{
	restart("nvme,size=16M,driver=nvme", NULL);
	ck_assert_str_eq(driver_of(DEV), "nvme");
	machine_detach(machine);
	session_remove(session);
	session_close(session);
	start("nvme,size=16M,driver=pci-stub", NULL);
	ck_assert_str_eq(driver_of(DEV), "pci-stub");
	ck_assert(machine_module_loaded(machine, "pci_stub", NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("modules");
	TCase *tc = tcase_create("modules");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_table_is_sound);
	tcase_add_test(tc, aliases);
	tcase_add_test(tc, what_a_session_starts_with);
	tcase_add_test(tc, load_and_unload);
	tcase_add_test(tc, a_native_driver_takes_and_gives);
	tcase_add_test(tc, without_vfio);
	tcase_add_test(tc, parameters_are_the_sessions);
	tcase_add_test(tc, a_group_in_use);
	tcase_add_test(tc, described_drivers);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
