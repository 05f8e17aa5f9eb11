/* SPDX-License-Identifier: BSD-3-Clause */
/* The mdev core on the driver core alone: one process is the whole session, a driver counts. */
#include "mdev/mdev.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/uevent.h"
#include "mdev/mdev_priv.h"

#define UUID_A "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define UUID_B "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"
#define UUID_C "83b8f4f2-509f-382f-3c1e-e6bfe0fa1003"

struct port_state {
	unsigned int taken;
};

struct line_state {
	unsigned int ports;
};

static struct device_core *core;
static struct bus_type parent_bus = { .name = "parents" };
static struct device_driver parent_driver = { .name = "card", .bus = &parent_bus };
static struct device parent_dev;
static struct mdev_parent parent;
static int creates, destroys, probes, removes, create_result, probe_result, recovered;
static atomic_bool remove_blocks, remove_entered;
static char events[1024];
static unsigned int room = 3;

static unsigned int room_of(struct mdev_type *type)
{
	const struct port_state *state = type->parent->state;

	return (room - state->taken) / (unsigned int)type->arg;
}

static ssize_t describe(struct mdev_type *type, char *buf, size_t size)
{
	return snprintf(buf, size, "%lu ports\n", (unsigned long)type->arg);
}

static int fake_create(struct mdev_device *mdev)
{
	struct port_state *state = mdev->parent->state;
	struct line_state *line = mdev->state;
	unsigned int ports = (unsigned int)mdev->type->arg;

	ck_assert_uint_eq(line->ports, 0);
	creates++;
	if (create_result)
		return create_result;
	if (state->taken + ports > room)
		return -ENOSPC;
	state->taken += ports;
	line->ports = ports;
	return 0;
}

static void fake_destroy(struct mdev_device *mdev)
{
	struct port_state *state = mdev->parent->state;
	const struct line_state *line = mdev->state;

	ck_assert_ptr_null(mdev->dev.driver);
	state->taken -= line->ports;
	destroys++;
}

static int fake_probe(struct mdev_device *mdev)
{
	probes++;
	mdev->drvdata = &probes;
	return probe_result;
}

static void fake_remove(struct mdev_device *mdev)
{
	removes++;
	atomic_store(&remove_entered, true);
	while (atomic_load(&remove_blocks))
		usleep(1000);
}

static void fake_recover(struct mdev_parent *of, struct mdev_device *mdev)
{
	recovered += mdev ? 1 : 100;
}

static struct mdev_driver driver = {
	.driver = { .name = "lines" },
	.device_api = "vfio-pci",
	.parent_state_size = sizeof(struct port_state),
	.state_size = sizeof(struct line_state),
	.get_available = room_of,
	.show_description = describe,
	.create = fake_create,
	.destroy = fake_destroy,
	.probe = fake_probe,
	.remove = fake_remove,
	.recover = fake_recover,
};

static struct mdev_driver limited = {
	.driver = { .name = "limited" },
	.device_api = "vfio-platform",
	.max_instances = 2,
	.probe = fake_probe,
	.remove = fake_remove,
};

static struct mdev_type one = { .sysfs_name = "1", .pretty_name = "One port", .arg = 1 };
static struct mdev_type two = { .sysfs_name = "2", .arg = 2 };
static struct mdev_type *types[] = { &one, &two };

static int keep_event(void *arg, struct uevent *event)
{
	size_t len = strlen(events);
	const char *state = uevent_get(event, "MDEV_STATE=");

	snprintf(events + len, sizeof(events) - len, "%s%s%s ", uevent_action_name(event->action),
		 state ? ":" : "", state ? state : "");
	return 0;
}

static void setup_with(struct mdev_driver *drv)
{
	ck_assert_int_eq(device_core_create(&core), 0);
	bus_register(core, &parent_bus);
	ck_assert_int_eq(driver_register(&parent_driver), 0);
	memset(&parent_dev, 0, sizeof(parent_dev));
	strcpy(parent_dev.name, "card0");
	parent_dev.bus = &parent_bus;
	ck_assert_int_eq(device_add(&parent_dev), 0);
	device_core_lock(core);
	ck_assert_int_eq(device_attach(&parent_dev), 1);
	device_core_unlock(core);
	ck_assert_int_eq(mdev_register_driver(drv), -ENODEV);
	ck_assert_int_eq(mdev_init(core, NULL), 0);
	ck_assert_int_eq(mdev_register_parent(&parent, &parent_dev, drv, types, 2), -EBUSY);
	ck_assert_int_eq(mdev_register_driver(drv), 0);
	device_core_set_uevent(core, keep_event, NULL);
	ck_assert_int_eq(mdev_register_parent(&parent, &parent_dev, drv, types, 2), 0);
}

static void setup(void)
{
	setup_with(&driver);
}

static void teardown(void)
{
	mdev_unregister_parent(&parent);
	mdev_unregister_driver(parent.mdev_driver);
	mdev_exit();
	device_del(&parent_dev);
	driver_unregister(&parent_driver);
	bus_unregister(&parent_bus);
	device_core_destroy(core);
}

static const struct attribute *find_attribute(const struct attribute *attr, const char *name)
{
	while (strcmp(attr->name, name))
		attr++;
	return attr;
}

static ssize_t write_type(struct mdev_type *type, const char *text)
{
	return attribute_store(core, type, find_attribute(mdev_type_attrs, "create"), text,
			       strlen(text));
}

static const char *read_type(struct mdev_type *type, const char *name)
{
	static char text[ATTRIBUTE_PAGE + 1];
	ssize_t len = attribute_show(core, type, find_attribute(mdev_type_attrs, name), text);

	ck_assert_int_ge(len, 0);
	text[len] = '\0';
	return text;
}

static ssize_t write_remove(struct mdev_device *mdev, const char *text)
{
	return attribute_store(core, mdev, find_attribute(mdev_device_attrs, "remove"), text,
			       strlen(text));
}

START_TEST(types_and_texts)
{
	const struct attribute *description = find_attribute(mdev_type_attrs, "description");

	/* Named after the driver that the parent's device is bound to. */
	ck_assert_str_eq(one.dir, "card-1");
	ck_assert_ptr_eq(mdev_find_type(&parent, "card-2"), &two);
	ck_assert_ptr_null(mdev_find_type(&parent, "card-3"));
	ck_assert_ptr_eq(mdev_find_parent(&parent_dev), &parent);
	ck_assert_str_eq(read_type(&one, "name"), "One port\n");
	ck_assert_str_eq(read_type(&two, "name"), "2\n");
	ck_assert_str_eq(read_type(&one, "device_api"), "vfio-pci\n");
	ck_assert_str_eq(read_type(&one, "available_instances"), "3\n");
	ck_assert_str_eq(read_type(&two, "available_instances"), "1\n");
	ck_assert_str_eq(read_type(&two, "description"), "2 ports\n");
	ck_assert(description->visible(&one, description));
	ck_assert_str_eq(events, "change:registered ");
}
END_TEST

START_TEST(uuids)
{
	static const char *const bad[] = {
		"foo",
		"83b8f4f2-509f-382f-3c1e-e6bfe0fa100",
		UUID_A "xx",
		"83b8f4f2-509f-382f-3c1e-e6bfe0fa100g",
		"83b8f4f2x509f-382f-3c1e-e6bfe0fa1001",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(write_type(&one, bad[i]), -EINVAL);
	/* One character more may be anything. */
	ck_assert_int_eq(write_type(&one, UUID_A "x"), 37);
	ck_assert_int_eq(write_type(&one, UUID_A), -EEXIST);
	ck_assert_int_eq(write_type(&two, UUID_A "\n"), -EEXIST);
	ck_assert_int_eq(write_type(&one, "83B8F4F2-509F-382F-3C1E-E6BFE0FA1002\n"), 37);
	ck_assert_ptr_nonnull(mdev_find_device(UUID_B));
	ck_assert_str_eq(mdev_find_device(UUID_A)->dev.sysfs_path, "/sys/devices/card0/" UUID_A);
	ck_assert_int_eq(creates, 2);
	ck_assert_int_eq(probes, 2);
	ck_assert_str_eq(read_type(&one, "available_instances"), "1\n");
	ck_assert_str_eq(events, "change:registered add bind add bind ");
}
END_TEST

START_TEST(none_left)
{
	ck_assert_int_eq(write_type(&two, UUID_A), 36);
	ck_assert_int_eq(write_type(&two, UUID_B), -ENOSPC);
	ck_assert_ptr_null(mdev_find_device(UUID_B));
	ck_assert_int_eq(probes, 1);
	ck_assert_int_eq(destroys, 0);
	ck_assert_str_eq(events, "change:registered add bind add remove ");
}
END_TEST

START_TEST(probe_fails)
{
	probe_result = -EIO;
	ck_assert_int_eq(write_type(&one, UUID_A), -EIO);
	ck_assert_int_eq(destroys, 1);
	ck_assert_ptr_null(mdev_find_device(UUID_A));
	ck_assert_str_eq(read_type(&one, "available_instances"), "3\n");
}
END_TEST

START_TEST(removing)
{
	struct mdev_device *mdev;

	ck_assert_int_eq(write_type(&one, UUID_A), 36);
	mdev = mdev_find_device(UUID_A);
	ck_assert_int_eq(write_remove(mdev, "x"), -EINVAL);
	ck_assert_int_eq(write_remove(mdev, "-1"), -EINVAL);
	ck_assert_int_eq(write_remove(mdev, "0\n"), 2);
	ck_assert_ptr_eq(mdev_find_device(UUID_A), mdev);
	mdev->active = false;
	ck_assert_int_eq(write_remove(mdev, "1"), -EAGAIN);
	mdev->active = true;
	ck_assert_int_eq(write_remove(mdev, "0x2\n"), 4);
	ck_assert_ptr_null(mdev_find_device(UUID_A));
	ck_assert_int_eq(removes, 1);
	ck_assert_int_eq(destroys, 1);
	ck_assert_str_eq(read_type(&one, "available_instances"), "3\n");
	ck_assert_str_eq(events, "change:registered add bind unbind remove ");
}
END_TEST

START_TEST(binding_again)
{
	struct mdev_device *mdev;

	ck_assert_int_eq(write_type(&one, UUID_A), 36);
	mdev = mdev_find_device(UUID_A);
	device_core_lock(core);
	device_release_driver(&mdev->dev);
	/* It matches nothing. */
	ck_assert_int_eq(device_driver_attach(&driver.driver, &mdev->dev), -ENODEV);
	ck_assert_int_eq(device_attach(&mdev->dev), 0);
	device_core_unlock(core);
	ck_assert_int_eq(write_remove(mdev, "1"), 1);
	ck_assert_int_eq(removes, 1);
	ck_assert_int_eq(destroys, 1);
}
END_TEST

static void *write_remove_thread(void *arg)
{
	ck_assert_int_eq(write_remove(arg, "1"), 1);
	return NULL;
}

START_TEST(removal_waits)
{
	struct mdev_device *mdev;
	pthread_t thread;

	ck_assert_int_eq(write_type(&one, UUID_A), 36);
	mdev = mdev_find_device(UUID_A);
	atomic_store(&remove_blocks, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_remove_thread, mdev), 0);
	while (!atomic_load(&remove_entered))
		usleep(1000);
	/* The name is taken until it is gone, another remove is refused, another instance goes. */
	ck_assert_int_eq(write_remove(mdev, "1"), -EAGAIN);
	ck_assert_int_eq(write_type(&one, UUID_A), -EEXIST);
	ck_assert_int_eq(write_type(&one, UUID_B), 36);
	ck_assert_int_eq(destroys, 0);
	atomic_store(&remove_blocks, false);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(destroys, 1);
	ck_assert_int_eq(write_type(&one, UUID_A), 36);
}
END_TEST

START_TEST(parent_takes_all)
{
	ck_assert_int_eq(write_type(&one, UUID_A), 36);
	ck_assert_int_eq(write_type(&one, UUID_B), 36);
	events[0] = '\0';
	mdev_unregister_parent(&parent);
	ck_assert_int_eq(removes, 2);
	ck_assert_int_eq(destroys, 2);
	ck_assert_ptr_null(mdev_find_parent(&parent_dev));
	ck_assert_str_eq(events, "unbind remove unbind remove change:unregistered ");
	ck_assert_int_eq(mdev_register_parent(&parent, &parent_dev, &driver, types, 2), 0);
}
END_TEST

START_TEST(max_instances)
{
	const struct attribute *description = find_attribute(mdev_type_attrs, "description");

	ck_assert(!description->visible(&one, description));
	ck_assert_str_eq(read_type(&two, "device_api"), "vfio-platform\n");
	ck_assert_str_eq(read_type(&two, "available_instances"), "2\n");
	ck_assert_int_eq(write_type(&one, UUID_A), 36);
	ck_assert_int_eq(write_type(&two, UUID_B), 36);
	ck_assert_int_eq(write_type(&two, UUID_A), -EEXIST);
	ck_assert_int_eq(write_type(&two, UUID_C), -EUSERS);
	ck_assert_ptr_null(mdev_find_device(UUID_A)->state);
	ck_assert_int_eq(write_remove(mdev_find_device(UUID_A), "1"), 1);
	ck_assert_str_eq(read_type(&one, "available_instances"), "1\n");
}
END_TEST

/* The state of the test's own session: shared with a child. */
static int shared_get(void *arg, const char *name, size_t size, void **out)
{
	*out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return *out == MAP_FAILED ? -ENOMEM : 0;
}

static void shared_put(void *arg, void *state, size_t size)
{
	munmap(state, size);
}

START_TEST(dead_holder)
{
	struct mdev_env env = { .state_get = shared_get, .state_put = shared_put };
	struct mdev_device *mdev;
	pid_t pid;

	teardown();
	ck_assert_int_eq(device_core_create(&core), 0);
	bus_register(core, &parent_bus);
	driver_register(&parent_driver);
	ck_assert_int_eq(device_add(&parent_dev), 0);
	ck_assert_int_eq(mdev_init(core, &env), 0);
	ck_assert_int_eq(mdev_register_driver(&driver), 0);
	ck_assert_int_eq(mdev_register_parent(&parent, &parent_dev, &driver, types, 2), 0);
	/* The parent's device has no driver now. */
	ck_assert_str_eq(one.dir, "parents-1");
	ck_assert_int_eq(write_type(&one, UUID_A), 36);
	mdev = mdev_find_device(UUID_A);
	pid = fork();
	if (!pid) {
		mdev_parent_lock(&parent);
		mdev_lock(mdev);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	mdev_lock(mdev);
	mdev_unlock(mdev);
	ck_assert_int_eq(recovered, 1);
	mdev_parent_lock(&parent);
	mdev_parent_unlock(&parent);
	mdev_parent_lock(&parent);
	mdev_parent_unlock(&parent);
	ck_assert_int_eq(recovered, 101);
}
END_TEST

static void setup_limited(void)
{
	setup_with(&limited);
}

int main(void)
{
	Suite *suite = suite_create("mdev");
	TCase *tc = tcase_create("core"), *few = tcase_create("max_instances");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, types_and_texts);
	tcase_add_test(tc, uuids);
	tcase_add_test(tc, none_left);
	tcase_add_test(tc, probe_fails);
	tcase_add_test(tc, removing);
	tcase_add_test(tc, binding_again);
	tcase_add_test(tc, removal_waits);
	tcase_add_test(tc, parent_takes_all);
	tcase_add_test(tc, dead_holder);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(few, setup_limited, teardown);
	tcase_add_test(few, max_instances);
	suite_add_tcase(suite, few);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
