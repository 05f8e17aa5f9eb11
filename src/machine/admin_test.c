/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Administration through the tree, with the results that Linux 7.3 gives; and two processes at it
 * at the same time.
 */
#include "machine/testing.h"

#include <pthread.h>
#include <sys/wait.h>

#include "file/file.h"
#include "machine/machine.h"
#include "machine/machine_priv.h"

#define BDF    "0000:01:00.0"
#define DEV    "/sys/bus/pci/devices/" BDF
#define DRV    "/sys/bus/pci/drivers/vfio-pci"
#define PROBE  "/sys/bus/pci/drivers_probe"
#define DRIVER "../../../../bus/pci/drivers/vfio-pci"

static void setup(void)
{
	static const char *const devices[] = { "nvme,size=16M", "nvme,size=16M", NULL };

	make_machine(devices, "intel");
}

static void teardown(void)
{
	uvfio_machine_destroy(machine);
}

START_TEST(tree_as_clients_read_it)
{
	ck_assert_str_eq(get(DEV "/vendor"), "0x1b36\n");
	ck_assert_str_eq(get(DEV "/class"), "0x010802\n");
	ck_assert_str_eq(get(DEV "/numa_node"), "-1\n");
	ck_assert_str_eq(get(DEV "/driver_override"), "vfio-pci\n");
	ck_assert_str_eq(get(DEV "/modalias"),
			 "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02\n");
	ck_assert_ptr_nonnull(strstr(get(DEV "/uevent"), "DRIVER=vfio-pci\nPCI_CLASS=10802\n"));
	ck_assert_uint_eq(strlen(get(DEV "/resource")), 13 * 57);
	ck_assert_str_eq(link_of(DEV), "../../../devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
	ck_assert_str_eq(link_of(DEV "/subsystem"), "../../../../bus/pci");
	ck_assert_str_eq(link_of(DEV "/iommu_group"), "../../../../kernel/iommu_groups/3");
	ck_assert_str_eq(link_of("/sys/bus/pci/devices/0000:02:00.0/iommu_group"),
			 "../../../../kernel/iommu_groups/4");
	ck_assert_str_eq(link_of(DRV "/" BDF), "../../../../devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_str_eq(link_of(DRV "/module"), "../../../../module/vfio_pci");
	ck_assert_str_eq(link_of("/sys/class/iommu/dmar0"), "../../devices/virtual/iommu/dmar0");
	ck_assert_str_eq(link_of("/sys/class/vfio/3"), "../../devices/virtual/vfio/3");
	ck_assert_str_eq(get("/sys/class/vfio/3/dev"), "243:0\n");
	ck_assert_str_eq(get("/sys/class/vfio/4/dev"), "243:1\n");
	ck_assert_str_eq(get("/sys/kernel/iommu_groups/3/type"), "DMA-FQ\n");
	ck_assert_str_eq(get("/sys/kernel/iommu_groups/3/reserved_regions"),
			 "0x00000000fee00000 0x00000000feefffff msi\n");
	ck_assert_str_eq(link_of("/sys/class/pci_bus/0000:01"),
			 "../../devices/pci0000:00/0000:00:01.0/pci_bus/0000:01");
	ck_assert(exists("/dev/vfio/vfio") && exists("/dev/vfio/3") && !exists("/dev/vfio/0"));
	ck_assert_ptr_nonnull(strstr(get("/proc/modules"), "vfio_iommu_type1 53248 0 - Live"));
	ck_assert_str_eq(get("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"), "65535\n");
}
END_TEST

static const struct {
	const char *path, *text;
	ssize_t result;
} writes[] = {
	{ DRV "/bind", BDF, -EBUSY },
	{ DRV "/bind", BDF "\n", -EBUSY },
	{ DRV "/bind", "nonsense", -ENODEV },
	{ DRV "/bind", "", 0 },
	{ DRV "/bind", "0000:00:00.0", -ENODEV },
	{ DRV "/unbind", "nonsense", -ENODEV },
	{ DRV "/unbind", "0000:00:01.0", -ENODEV },
	{ "/sys/bus/pci/drivers/pcieport/unbind", BDF, -ENODEV },
	{ "/sys/bus/pci/drivers/pcieport/bind", BDF, -ENODEV },
	{ PROBE, "nonsense", -ENODEV },
	{ PROBE, BDF, 12 },
	{ PROBE, "0000:00:00.0", 12 },
	{ DRV "/new_id", "zz", -EINVAL },
	{ DRV "/new_id", "8086", -EINVAL },
	{ DRV "/remove_id", "dead beef", -ENODEV },
	{ DEV "/enable", "1", -EBUSY },
	{ DEV "/enable", "x", -EINVAL },
	{ DEV "/reset", "0", -EINVAL },
	{ DEV "/reset", "1\n", 2 },
	{ DEV "/remove", "x", -EINVAL },
	{ DEV "/remove", "0", 1 },
	{ "/sys/bus/pci/rescan", "x", -EINVAL },
	{ "/sys/bus/pci/rescan", "1", 1 },
	{ DEV "/vendor", "1", -EACCES },
	{ DEV "/nofile", "1", -EACCES },
	{ DEV "/numa_node", "1", -EINVAL },
	{ DEV "/msi_bus", "x", -EINVAL },
	{ DEV "/uevent", "x", -EINVAL },
	{ "/sys/kernel/iommu_groups/3/type", "nonsense", -EINVAL },
	{ "/sys/kernel/iommu_groups/3/type", "identity\n", 9 },
	{ "/sys/kernel/iommu_groups/3/reserved_regions", "x", -EACCES },
	{ "/sys/module/vfio_pci/parameters/disable_vga", "Y", -EACCES },
	{ "/sys/module/vfio_pci/parameters/nointxmask", "maybe", -EINVAL },
	{ "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "12", 2 },
};

START_TEST(writes_have_the_kernels_results)
{
	ck_assert_msg(put(writes[_i].path, writes[_i].text) == writes[_i].result,
		      "%s <- \"%s\": %zd", writes[_i].path, writes[_i].text,
		      put(writes[_i].path, writes[_i].text));
}
END_TEST

START_TEST(unbind_and_bind)
{
	ck_assert_int_eq(put(DEV "/driver/unbind", BDF), 12);
	ck_assert_str_eq(link_of(DEV "/driver"), "");
	ck_assert(!exists(DRV "/" BDF) && !exists("/dev/vfio/3") && !exists("/sys/class/vfio/3"));
	ck_assert(exists("/dev/vfio/4") && exists("/sys/kernel/iommu_groups/3/devices/" BDF));
	ck_assert_str_eq(get("/dev/vfio/3"), "!ENOENT");
	ck_assert_int_eq(put(DRV "/unbind", BDF), -ENODEV);
	ck_assert_int_eq(put(DRV "/bind", BDF "\n"), 13);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
	ck_assert_str_eq(get("/sys/class/vfio/3/dev"), "243:0\n");
	ck_assert_int_eq(put(DEV "/enable", "0"), -EBUSY);
}
END_TEST

START_TEST(override_and_ids)
{
	ck_assert_int_eq(put(DRV "/unbind", BDF), 12);
	ck_assert_int_eq(put(DEV "/driver_override", "\n"), 1);
	ck_assert_str_eq(get(DEV "/driver_override"), "(null)\n");
	ck_assert_int_eq(put(DRV "/bind", BDF), -ENODEV);
	ck_assert_int_eq(put_bytes(DEV "/driver_override", "vfio-pci\0junk", 13), 13);
	ck_assert_str_eq(get(DEV "/driver_override"), "vfio-pci\n");
	ck_assert_int_eq(put_bytes(DEV "/driver_override", "", 1), 1);
	ck_assert_str_eq(get(DEV "/driver_override"), "(null)\n");
	ck_assert_int_eq(put(DRV "/new_id", "1b36 0010"), 9);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
	ck_assert_int_eq(put(DRV "/new_id", "1b36 0010"), -EEXIST);
	ck_assert_int_eq(put(DRV "/unbind", BDF), 12);
	ck_assert_int_eq(put(DRV "/remove_id", "1b36 0010"), 9);
	ck_assert_int_eq(put(DRV "/bind", BDF), -ENODEV);
	ck_assert_str_eq(get(DRV "/new_id"), "!EACCES");
	ck_assert_int_eq(put(DEV "/enable", "0"), -EIO);
	ck_assert_int_eq(put(DEV "/enable", "2"), 1);
	ck_assert_str_eq(get(DEV "/enable"), "1\n");
}
END_TEST

START_TEST(remove_and_rescan)
{
	int fd = uvfio_open(machine, DEV "/vendor", O_RDONLY);
	int config = uvfio_open(machine, DEV "/config", O_RDONLY);
	uint16_t id;

	ck_assert_int_eq(uvfio_pread(machine, config, &id, 2, 0), 2);
	ck_assert_uint_eq(id, 0x1b36);
	ck_assert_int_eq(put(DEV "/remove", "1"), 1);
	ck_assert(!exists(DEV) && !exists("/sys/devices/pci0000:00/0000:00:01.0/" BDF));
	ck_assert(!exists("/dev/vfio/3") && !exists("/sys/kernel/iommu_groups/3"));
	ck_assert(!exists("/sys/class/vfio-dev/vfio0") && exists("/sys/class/vfio-dev/vfio1"));
	ck_assert_int_eq(uvfio_pread(machine, config, &id, 2, 0), -ENODEV);
	ck_assert_str_eq(get(DEV "/vendor"), "!ENOENT");
	ck_assert_int_eq(put("/sys/bus/pci/rescan", "1"), 1);
	ck_assert_str_eq(get(DEV "/vendor"), "0x1b36\n");
	ck_assert_str_eq(link_of(DEV "/iommu_group"), "../../../../kernel/iommu_groups/3");
	/* Without an override it is the native driver's. */
	ck_assert_str_eq(link_of(DEV "/driver"), "../../../../bus/pci/drivers/nvme");
	ck_assert_str_eq(get(DEV "/driver_override"), "(null)\n");
	/* With the port goes what is behind it. */
	ck_assert_int_eq(put("/sys/bus/pci/devices/0000:00:02.0/remove", "1"), 1);
	ck_assert(!exists("/sys/bus/pci/devices/0000:02:00.0") && !exists("/dev/vfio/4"));
	ck_assert_int_eq(put(DEV "/rescan", "1"), 1);
	ck_assert_str_eq(link_of("/sys/bus/pci/devices/0000:00:02.0/driver"),
			 "../../../bus/pci/drivers/pcieport");
	ck_assert(exists("/sys/bus/pci/devices/0000:02:00.0"));
	uvfio_close(machine, fd);
	uvfio_close(machine, config);
}
END_TEST

/* ---- another process ------------------------------------------------------------------------- */

/* Runs @fn in a child with a machine of its own on the same session; its exit status. */
static pid_t in_child(int (*fn)(void))
{
	pid_t pid = fork();
	struct session *session;
	char why[512];

	if (pid)
		return pid;
	file_after_fork();
	machine_after_fork(machine);
	if (session_open(uvfio_machine_directory(machine), &session) ||
	    machine_attach(session, &machine, why, sizeof(why)))
		_exit(252);
	_exit(fn());
}

static int wait_child(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int change_things(void)
{
	if (put(DRV "/unbind", BDF) != 12 || put(DEV "/driver_override", "none-such") != 9)
		return 1;
	if (put("/sys/bus/pci/devices/0000:02:00.0/remove", "1") != 1)
		return 2;
	if (put("/sys/module/vfio_pci/parameters/nointxmask", "Y") != 1)
		return 3;
	return put(DRV "/new_id", "abcd 0001") == 9 ? 0 : 4;
}

static int see_things(void)
{
	if (strcmp(get(DEV "/driver_override"), "none-such\n") || put(DRV "/bind", BDF) != -ENODEV)
		return 1;
	if (strcmp(get("/sys/bus/pci/devices/0000:02:00.0/vendor"), "!ENOENT"))
		return 2;
	if (strcmp(get("/sys/module/vfio_pci/parameters/nointxmask"), "Y\n"))
		return 3;
	return put(DRV "/new_id", "abcd 0001") == -EEXIST ? 0 : 4;
}

START_TEST(others_see_what_one_changes)
{
	struct uvfio_device_info info;

	ck_assert_int_eq(wait_child(in_child(change_things)), 0);
	/* In the process that was there before, in its objects and its files. */
	ck_assert_int_eq(uvfio_machine_device(machine, 0, &info), 0);
	ck_assert_str_eq(info.driver, "");
	ck_assert_int_eq(uvfio_machine_device(machine, 1, &info), -ENOENT);
	ck_assert_int_eq(see_things(), 0);
	/* And in one that comes later. */
	ck_assert_int_eq(wait_child(in_child(see_things)), 0);
}
END_TEST

/* Binds and unbinds as fast as it can: each call has one of the two results that a race allows. */
static int race(void)
{
	int changes = 0;

	for (int i = 0; i < 60; i++) {
		ssize_t ret = put(DRV "/unbind", BDF);

		if (ret != 12 && ret != -ENODEV)
			return 250;
		changes += ret > 0;
		ret = put(DRV "/bind", BDF);
		if (ret != 12 && ret != -EBUSY)
			return 251;
		changes -= ret > 0;
	}
	/* Unbinds and binds of one process need not be equal; the difference is what matters. */
	return changes + 100;
}

START_TEST(two_processes_race)
{
	pid_t pid = in_child(race);
	int here = race(), there = wait_child(pid);

	ck_assert_int_lt(here, 250);
	ck_assert_int_lt(there, 250);
	/* As many unbinds as binds happened in all, and the end state is bound. */
	ck_assert_int_eq(here - 100 + there - 100, 0);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
	ck_assert(exists(DRV "/" BDF) && exists("/dev/vfio/3"));
}
END_TEST

static void *race_thread(void *arg)
{
	*(int *)arg = race();
	return NULL;
}

static void *read_thread(void *arg)
{
	struct uvfio_device_info info;

	for (int i = 0; i < 200; i++)
		if (uvfio_machine_device(machine, 0, &info))
			*(int *)arg = 1;
	return NULL;
}

START_TEST(threads_race)
{
	pthread_t a, b, reader;
	int results[2], failed = 0;

	pthread_create(&a, NULL, race_thread, &results[0]);
	pthread_create(&b, NULL, race_thread, &results[1]);
	pthread_create(&reader, NULL, read_thread, &failed);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	pthread_join(reader, NULL);
	ck_assert_int_eq(failed, 0);
	ck_assert_int_lt(results[0], 250);
	ck_assert_int_lt(results[1], 250);
	ck_assert_int_eq(results[0] - 100 + results[1] - 100, 0);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
}
END_TEST

/* The names are gone, and nobody is left to go on with it. */
static int die_in_an_unbind(void)
{
	struct machine_function *fn = machine_find_function(machine, BDF);

	if (!fn)
		return 1;
	fn->slot->unbinding = 1;
	tree_set_writing(machine->tree, true);
	names_unbound(fn);
	tree_set_writing(machine->tree, false);
	atomic_fetch_add(&session_shared(machine->session)->generation, 1);
	return 0;
}

static int bind_again(void)
{
	return put(DRV "/bind", BDF) != 12;
}

START_TEST(a_dead_unbind_is_finished)
{
	ck_assert_int_eq(wait_child(in_child(die_in_an_unbind)), 0);
	ck_assert_str_eq(link_of(DEV "/driver"), "");
	ck_assert_int_eq(put(DRV "/bind", BDF), 12);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
	ck_assert(exists("/dev/vfio/3"));
}
END_TEST

/* The dead one's name must not matter: its number may be another process' by now. */
START_TEST(a_dead_unbind_waits_for_the_user)
{
	int fd = uvfio_open(machine, "/dev/vfio/3", O_RDWR), status;
	pid_t binder;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(wait_child(in_child(die_in_an_unbind)), 0);
	binder = in_child(bind_again);
	usleep(100000);
	ck_assert_int_eq(waitpid(binder, &status, WNOHANG), 0);
	ck_assert_int_eq(uvfio_close(machine, fd), 0);
	ck_assert_int_eq(wait_child(binder), 0);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
}
END_TEST

static void real_name(const char *path, char out[512])
{
	snprintf(out, 512, "%s%s", session_dir(machine->session), path);
}

/* Names that a dead writer has not written, and one that it has not removed. */
START_TEST(a_torn_tree_is_mended)
{
	static const char *const missing[] = { (DRV "/" BDF), ("/sys/bus/pci/devices/" BDF),
					       "/dev/vfio/3" };
	static const char orphan[] = "/sys/bus/pci/devices/0000:77:00.0";
	char real[512];

	ck_assert_int_eq(put(DEV "/driver_override", "some"), 4);
	real_name(DEV "/vendor", real);
	ck_assert_int_eq(unlink(real), 0);
	for (size_t i = 0; i < ARRAY_SIZE(missing); i++) {
		real_name(missing[i], real);
		ck_assert_int_eq(unlink(real), 0);
	}
	real_name(orphan, real);
	ck_assert_int_eq(symlink("nowhere", real), 0);
	session_shared(machine->session)->writing = 1;
	ck_assert_int_eq(put(DRV "/bind", "nonsense"), -ENODEV);
	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		ck_assert_msg(exists(missing[i]), "%s", missing[i]);
	ck_assert_str_eq(link_of(DEV "/driver"), DRIVER);
	ck_assert(exists(DEV "/vendor"));
	ck_assert(lstat(real, &(struct stat){ 0 }) == -1);
	ck_assert_uint_eq(session_shared(machine->session)->writing, 0);
	real_name(DEV "/driver_override", real);
	ck_assert_int_eq(access(real, F_OK), 0);
	ck_assert_int_eq(put(DRV "/unbind", BDF), 12);
}
END_TEST

static int open_group(void)
{
	int fd = uvfio_open(machine, "/dev/vfio/3", O_RDWR);

	return fd < 0 ? -fd : 0;
}

START_TEST(one_process_has_the_group)
{
	int fd = uvfio_open(machine, "/dev/vfio/3", O_RDWR);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(wait_child(in_child(open_group)), EBUSY);
	ck_assert_int_eq(uvfio_close(machine, fd), 0);
	fd = uvfio_open(machine, "/dev/vfio/3", O_RDWR);
	ck_assert_int_ge(fd, 0);
	uvfio_close(machine, fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("admin");
	TCase *tc = tcase_create("admin");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tree_as_clients_read_it);
	tcase_add_loop_test(tc, writes_have_the_kernels_results, 0, ARRAY_SIZE(writes));
	tcase_add_test(tc, unbind_and_bind);
	tcase_add_test(tc, override_and_ids);
	tcase_add_test(tc, remove_and_rescan);
	tcase_add_test(tc, others_see_what_one_changes);
	tcase_add_test(tc, a_dead_unbind_is_finished);
	tcase_add_test(tc, a_dead_unbind_waits_for_the_user);
	tcase_add_test(tc, a_torn_tree_is_mended);
	tcase_add_test(tc, two_processes_race);
	tcase_add_test(tc, threads_race);
	tcase_add_test(tc, one_process_has_the_group);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
