/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mediated devices in a session: their names, groups and events' order as Linux 7.3 has them, and
 * several processes that make and remove them, some of which are killed meanwhile. The parent is
 * the test's own, for the driver vfio_mdev.
 */
#include "machine/testing.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "file/file.h"
#include "machine/machine.h"
#include "machine/mdev_priv.h"
#include "machine/modules.h"

#define UUID_A	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define UUID_B	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"
#define PARENT	"/sys/devices/virtual/mtty/mtty"
#define TYPE	PARENT "/mdev_supported_types/card-1"
#define DEVICES "/sys/bus/mdev/devices/"
#define DRIVER	"/sys/bus/mdev/drivers/vfio_mdev"
#define PORTS	1200
#define MANY	1000

struct card_state {
	unsigned int used;
	unsigned int creates, destroys;
};

static struct device parent_dev;
static struct mdev_parent parent;
static struct mdev_type type = { .sysfs_name = "1", .pretty_name = "One port" };
static struct mdev_type *types[] = { &type };

static unsigned int card_available(struct mdev_type *of)
{
	const struct card_state *state = of->parent->state;

	return PORTS - state->used;
}

struct port_state {
	unsigned int ports;
};

static int card_create(struct mdev_device *mdev)
{
	struct card_state *state = mdev->parent->state;
	struct port_state *port = mdev->state;

	mdev_parent_lock(mdev->parent);
	if (state->used == PORTS) {
		mdev_parent_unlock(mdev->parent);
		return -ENOSPC;
	}
	state->used++;
	state->creates++;
	port->ports = 1;
	mdev_parent_unlock(mdev->parent);
	return 0;
}

/* Also of an instance whose creator was killed before it took its port. */
static void card_destroy(struct mdev_device *mdev)
{
	struct card_state *state = mdev->parent->state;
	const struct port_state *port = mdev->state;

	mdev_parent_lock(mdev->parent);
	state->used -= port->ports;
	state->destroys++;
	mdev_parent_unlock(mdev->parent);
}

static const struct mdev_parent_ops card = {
	.name = "card",
	.device_api = "vfio-pci",
	.parent_state_size = sizeof(struct card_state),
	.state_size = sizeof(struct port_state),
	.get_available = card_available,
	.create = card_create,
	.destroy = card_destroy,
};

/* As a module's start does it, in a process that makes the parent or follows. */
static void add_parent(bool first)
{
	memset(&parent_dev, 0, sizeof(parent_dev));
	strcpy(parent_dev.name, "mtty");
	parent_dev.sysfs_path = strdup(PARENT);
	ck_assert_int_eq(device_add(&parent_dev), 0);
	device_core_lock(machine->core);
	tree_set_writing(machine->tree, first);
	ck_assert_int_eq(mdev_register_parent_ops(&parent, &parent_dev, &card, types, 1), 0);
	tree_set_writing(machine->tree, false);
	/* What there is by now is followed once more. */
	machine->generation--;
	device_core_unlock(machine->core);
	admin_sync(machine);
}

static void setup(void)
{
	static const char *const devices[] = { "nvme,size=16M", NULL };

	make_machine(devices, "intel");
	ck_assert_int_eq(machine_module_load(machine, "vfio_mdev", ""), -ENOENT);
	ck_assert_int_eq(machine_module_load(machine, "mdev", ""), 0);
	ck_assert_int_eq(machine_module_load(machine, "vfio_mdev", ""), 0);
	add_parent(true);
}

static void teardown(void)
{
	mdev_unregister_parent(&parent);
	uvfio_machine_destroy(machine);
	free(parent_dev.sysfs_path);
}

static unsigned int count_names(const char *dir)
{
	char path[512];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s%s", uvfio_machine_directory(machine), dir);
	d = opendir(path);
	if (!d)
		return 0;
	while ((entry = readdir(d)))
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

START_TEST(tree)
{
	ck_assert_str_eq(link_of("/sys/class/mdev_bus/mtty"), "../../devices/virtual/mtty/mtty");
	ck_assert_str_eq(link_of(PARENT "/subsystem"), "../../../../class/mtty");
	ck_assert_str_eq(link_of(DRIVER "/module"), "../../../../module/vfio_mdev");
	ck_assert_str_eq(link_of("/sys/module/vfio_mdev/drivers/mdev:vfio_mdev"),
			 "../../../bus/mdev/drivers/vfio_mdev");
	ck_assert_str_eq(get(TYPE "/name"), "One port\n");
	ck_assert_str_eq(get(TYPE "/device_api"), "vfio-pci\n");
	ck_assert_str_eq(get(TYPE "/available_instances"), "1200\n");
	ck_assert(exists(TYPE "/devices"));
	ck_assert(!exists(TYPE "/description"));
	ck_assert_int_eq(put(TYPE "/create", "foo"), -EINVAL);
	ck_assert_int_eq(put(TYPE "/create", UUID_A "\n"), 37);
	ck_assert_int_eq(put(TYPE "/create", UUID_A), -EEXIST);
	ck_assert_str_eq(get(TYPE "/available_instances"), "1199\n");
	ck_assert_str_eq(link_of(DEVICES UUID_A), "../../../devices/virtual/mtty/mtty/" UUID_A);
	ck_assert_str_eq(link_of(PARENT "/" UUID_A "/driver"),
			 "../../../../../bus/mdev/drivers/vfio_mdev");
	ck_assert_str_eq(link_of(PARENT "/" UUID_A "/subsystem"), "../../../../../bus/mdev");
	ck_assert_str_eq(link_of(PARENT "/" UUID_A "/mdev_type"), "../mdev_supported_types/card-1");
	ck_assert_str_eq(link_of(PARENT "/" UUID_A "/iommu_group"),
			 "../../../../../kernel/iommu_groups/3");
	ck_assert_str_eq(link_of(TYPE "/devices/" UUID_A), "../../../" UUID_A);
	ck_assert_str_eq(link_of("/sys/kernel/iommu_groups/3/devices/" UUID_A),
			 "../../../../devices/virtual/mtty/mtty/" UUID_A);
	ck_assert_str_eq(get("/sys/kernel/iommu_groups/3/type"), "unknown\n");
	ck_assert_str_eq(get("/sys/kernel/iommu_groups/3/name"), "vfio-noiommu\n");
	ck_assert_str_eq(get("/sys/kernel/iommu_groups/3/reserved_regions"), "");
	ck_assert_int_eq(put("/sys/kernel/iommu_groups/3/type", "DMA"), -EINVAL);
	ck_assert_str_eq(get("/sys/class/vfio/3/dev"), "243:1\n");
	ck_assert(exists("/dev/vfio/3"));
	ck_assert_str_eq(link_of("/sys/class/vfio-dev/vfio1"),
			 "../../devices/virtual/mtty/mtty/" UUID_A "/vfio-dev/vfio1");
	ck_assert_str_eq(get(DEVICES UUID_A "/uevent"), "DRIVER=vfio_mdev\n");
	ck_assert_str_eq(link_of(DRIVER "/" UUID_A),
			 "../../../../devices/virtual/mtty/mtty/" UUID_A);
}
END_TEST

START_TEST(removing)
{
	ck_assert_int_eq(put(TYPE "/create", UUID_A), 36);
	ck_assert_int_eq(put(TYPE "/create", UUID_B), 36);
	ck_assert_int_eq(put(DEVICES UUID_A "/remove", "x"), -EINVAL);
	ck_assert_int_eq(put(DEVICES UUID_A "/remove", "0"), 1);
	ck_assert(exists(DEVICES UUID_A));
	ck_assert_int_eq(put(DEVICES UUID_A "/remove", "1\n"), 2);
	ck_assert(!exists(DEVICES UUID_A) && !exists(PARENT "/" UUID_A));
	ck_assert(!exists("/dev/vfio/3") && exists("/dev/vfio/4"));
	ck_assert(!exists("/sys/kernel/iommu_groups/3"));
	ck_assert_uint_eq(count_names(TYPE "/devices"), 1);
	ck_assert_int_eq(put(DEVICES UUID_A "/remove", "1"), -ENOENT);
	ck_assert_str_eq(get(TYPE "/available_instances"), "1199\n");
	/* The lowest number is given out again. */
	ck_assert_int_eq(put(TYPE "/create", UUID_A), 36);
	ck_assert_str_eq(link_of(PARENT "/" UUID_A "/iommu_group"),
			 "../../../../../kernel/iommu_groups/3");
}
END_TEST

START_TEST(unbinding)
{
	ck_assert_int_eq(put(TYPE "/create", UUID_A), 36);
	ck_assert_int_eq(put(DRIVER "/bind", UUID_A), -EBUSY);
	ck_assert_int_eq(put(DRIVER "/unbind", UUID_B), -ENODEV);
	ck_assert_int_eq(put(DRIVER "/unbind", UUID_A), 36);
	ck_assert(!exists(PARENT "/" UUID_A "/driver") && !exists(DRIVER "/" UUID_A));
	ck_assert(!exists("/dev/vfio/3") && !exists("/sys/kernel/iommu_groups/3"));
	ck_assert(!exists(PARENT "/" UUID_A "/vfio-dev"));
	ck_assert(exists(PARENT "/" UUID_A "/mdev_type"));
	ck_assert_str_eq(get(DEVICES UUID_A "/uevent"), "");
	/* It is still there, with its port. */
	ck_assert_str_eq(get(TYPE "/available_instances"), "1199\n");
	ck_assert_int_eq(put(DRIVER "/unbind", UUID_A), -ENODEV);
	ck_assert_int_eq(put("/sys/bus/mdev/drivers_probe", UUID_A), 36);
	ck_assert(exists(DRIVER "/" UUID_A) && exists("/dev/vfio/3"));
	ck_assert_int_eq(put(DEVICES UUID_A "/remove", "1"), 1);
	ck_assert_str_eq(get(TYPE "/available_instances"), "1200\n");
}
END_TEST

/* ---- processes ------------------------------------------------------------------------------- */

/* @fn in a child that has come into the session anew. */
static pid_t start(int (*fn)(void))
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
	add_parent(false);
	_exit(fn());
}

static int wait_child(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int child_looks(void)
{
	struct mdev_device *mdev = mdev_find_device(UUID_A);

	if (!mdev || !mdev->dev.driver || !mdev_vfio_device(mdev))
		return 1;
	if (!mdev->state || ((struct port_state *)mdev->state)->ports != 1)
		return 2;
	if (put(DEVICES UUID_A "/remove", "1") != 1 || put(TYPE "/create", UUID_B) != 36)
		return 3;
	return ((struct card_state *)parent.state)->used == 1 ? 0 : 4;
}

START_TEST(two_processes)
{
	ck_assert_int_eq(put(TYPE "/create", UUID_A), 36);
	ck_assert_int_eq(wait_child(start(child_looks)), 0);
	/* What it did is followed. */
	admin_sync(machine);
	ck_assert_ptr_null(mdev_find_device(UUID_A));
	ck_assert_ptr_nonnull(mdev_find_device(UUID_B)->dev.driver);
	ck_assert_str_eq(get(TYPE "/available_instances"), "1199\n");
	ck_assert_int_eq(put(DEVICES UUID_B "/remove", "1"), 1);
}
END_TEST

static int child_takes_last(void)
{
	ssize_t ret = put(TYPE "/create", getpid() & 1 ? UUID_A : UUID_B);

	return ret > 0 ? 0 : ret == -ENOSPC ? 1 : ret == -EEXIST ? 2 : 3;
}

START_TEST(race_for_the_last)
{
	struct card_state *state = parent.state;

	for (int i = 0; i < 10; i++) {
		pid_t a, b;
		int results;

		state->used = PORTS - 1;
		a = start(child_takes_last);
		b = start(child_takes_last);
		results = wait_child(a) * 10 + wait_child(b);
		/* One wins; the other has none left, or the name is taken. */
		ck_assert_msg(results == 1 || results == 10 || results == 2 || results == 20, "%d",
			      results);
		ck_assert_uint_eq(state->used, PORTS);
		ck_assert_uint_eq(count_names("/sys/bus/mdev/devices"), 1);
		put(DEVICES UUID_A "/remove", "1");
		put(DEVICES UUID_B "/remove", "1");
		ck_assert_uint_eq(state->used, PORTS - 1);
	}
	state->used = 0;
}
END_TEST

static int child_creates_and_removes(void)
{
	/* Until it is killed. */
	while (getppid() > 0) {
		put(TYPE "/create", UUID_B);
		put(DEVICES UUID_B "/remove", "1");
	}
	return 0;
}

static void check_whole(unsigned int instances)
{
	ck_assert_uint_eq(count_names("/sys/bus/mdev/devices"), instances);
	ck_assert_uint_eq(count_names(TYPE "/devices"), instances);
	/* Host bridge, port, device are 3 groups, the first of VFIO's nodes is its container. */
	ck_assert_uint_eq(count_names("/sys/kernel/iommu_groups"), 3 + instances);
	ck_assert_uint_eq(count_names("/sys/class/vfio"), 1 + instances);
	ck_assert_uint_eq(count_names("/sys/class/vfio-dev"), 1 + instances);
	ck_assert_uint_eq(count_names("/dev/vfio"), 2 + instances);
	ck_assert_uint_eq(count_names(DRIVER), 4 + instances);
	ck_assert_uint_eq(((struct card_state *)parent.state)->used, instances);
	ck_assert(!exists(PARENT "/" UUID_B) || exists(DEVICES UUID_B "/mdev_type"));
}

START_TEST(killed)
{
	struct timespec ts = { 0 };
	unsigned int seed = 1;

	ck_assert_int_eq(put(TYPE "/create", UUID_A), 36);
	for (int i = 0; i < 25; i++) {
		pid_t pid = start(child_creates_and_removes);

		ts.tv_nsec = 2000000 + rand_r(&seed) % 40000000;
		nanosleep(&ts, NULL);
		kill(pid, SIGKILL);
		ck_assert_int_eq(wait_child(pid), 128 + SIGKILL);
		/* Whoever comes next mends what it left, and ends what it had begun. */
		admin_end_dead(machine);
		put(DEVICES UUID_B "/remove", "1");
		check_whole(1);
	}
	ck_assert_int_eq(put(DEVICES UUID_A "/remove", "1"), 1);
	check_whole(0);
}
END_TEST

/* ---- many ------------------------------------------------------------------------------------ */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const char *uuid_of(unsigned int i)
{
	static char uuid[MDEV_NAME_LEN];

	snprintf(uuid, sizeof(uuid), "83b8f4f2-509f-382f-3c1e-e6bfe0fb%04u", i);
	return uuid;
}

START_TEST(a_thousand)
{
	double begun = now(), made;
	char path[128];

	for (unsigned int i = 0; i < MANY; i++)
		ck_assert_int_eq(put(TYPE "/create", uuid_of(i)), 36);
	made = now();
	check_whole(MANY);
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), DEVICES "%s/remove", uuid_of(i));
		ck_assert_int_eq(put(path, "1"), 1);
	}
	check_whole(0);
	printf("%d at once: made %.0f us each, removed %.0f us each\n", MANY,
	       (made - begun) * 1e6 / MANY, (now() - made) * 1e6 / MANY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mdevs");
	TCase *tc = tcase_create("mdevs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tree);
	tcase_add_test(tc, removing);
	tcase_add_test(tc, unbinding);
	tcase_add_test(tc, two_processes);
	tcase_add_test(tc, race_for_the_last);
	tcase_add_test(tc, killed);
	tcase_add_test(tc, a_thousand);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
