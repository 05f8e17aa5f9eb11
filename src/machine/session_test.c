/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: names, life, locks between processes, the report of faults. */
#include "machine/session.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/session_create.h"
#include "machine/shared.h"

static char base[] = "/tmp/uvfio-session-XXXXXX";
static struct session *session;

static const struct session_device devices[] = {
	{ .name = "0000:01:00.0", .rid = 0x100, .shared_size = 100 },
	{ .name = "0000:02:00.0", .rid = 0x200, .shared_size = 0 },
	{ .name = "0000:03:00.0", .rid = 0x300, .shared_size = 5000 },
};

static void setup(void)
{
	char err[256];

	ck_assert_ptr_nonnull(mkdtemp(base));
	setenv("UVFIO_DIR", base, 1);
	ck_assert_int_eq(session_create(&session, 0, err, sizeof(err)), 0);
	ck_assert_int_eq(session_create_shared(session, &session_identity_root, devices, 3), 0);
}

static void teardown(void)
{
	if (session) {
		session_remove(session);
		session_close(session);
	}
	ck_assert_int_eq(rmdir(base), 0);
}

static const char *translate(const char *path)
{
	static char out[512];

	if (!session_translate(session, path, out, sizeof(out)))
		return "";
	ck_assert_int_eq(strncmp(out, session_dir(session), strlen(session_dir(session))), 0);
	return out + strlen(session_dir(session));
}

START_TEST(names_that_are_replaced)
{
	static const char *const ours[] = { "/sys/bus/pci",
					    "/sys/bus/pci/devices/x",
					    "/sys/devices/pci0000:00",
					    "/sys/devices/pcifffe:00/y",
					    "/sys/devices/virtual/iommu",
					    "/sys/class/vfio/7",
					    "/sys/kernel/iommu_groups/3",
					    "/dev/vfio",
					    "/dev/vfio/vfio",
					    "/dev/iommu",
					    "/proc/modules",
					    "/sys/module/vfio_pci",
					    "/sys/class/misc/vfio/dev",
					    "/sys/dev/char/10:196/uevent",
					    "/sys/dev/char/243:7" };
	static const char *const theirs[] = { "",
					      "/",
					      "/sys",
					      "/sys/bus",
					      "/sys/bus/pci_express",
					      "/sys/bus/pciback",
					      "/sys/bus/usb",
					      "/sys/devices/pci",
					      "/sys/devices/pciroot",
					      "/sys/devices/system/cpu",
					      "/dev",
					      "/dev/vfiox",
					      "/dev/null",
					      "/proc/modules2",
					      "/proc/self/maps",
					      "/sys/module/vfio_ccw",
					      "sys/bus/pci",
					      "/sysx/bus/pci",
					      "/home/sys/bus/pci",
					      "/sys/class/net",
					      "/sys/dev/char",
					      "/sys/dev/char/10:1966",
					      "/sys/dev/char/24:3",
					      "/sys/dev/block/243:0" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		ck_assert_str_eq(translate(ours[i]), ours[i]);
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		ck_assert_msg(!translate(theirs[i])[0], "%s is replaced", theirs[i]);
}
END_TEST

START_TEST(buffers_that_are_too_small)
{
	char out[512];
	size_t need = strlen(session_dir(session)) + strlen("/dev/vfio") + 1;

	ck_assert(session_translate(session, "/dev/vfio", out, need));
	ck_assert(!session_translate(session, "/dev/vfio", out, need - 1));
	ck_assert(session_untranslate(session, out, out, strlen("/dev/vfio") + 1));
	ck_assert_str_eq(out, "/dev/vfio");
	session_translate(session, "/dev/vfio", out, sizeof(out));
	ck_assert(!session_untranslate(session, out, out, strlen("/dev/vfio")));
}
END_TEST

START_TEST(names_back)
{
	char real[512], out[512];

	snprintf(real, sizeof(real), "%s/sys/bus/pci/devices", session_dir(session));
	ck_assert(session_untranslate(session, real, out, sizeof(out)));
	ck_assert_str_eq(out, "/sys/bus/pci/devices");
	snprintf(real, sizeof(real), "%s/shared", session_dir(session));
	ck_assert(!session_untranslate(session, real, out, sizeof(out)));
	snprintf(real, sizeof(real), "%sx/sys/bus", session_dir(session));
	ck_assert(!session_untranslate(session, real, out, sizeof(out)));
	ck_assert(!session_untranslate(session, "/sys/bus/pci", out, sizeof(out)));
	ck_assert(session_overlay(session, "/sys/class", out, sizeof(out)));
	ck_assert(session_overlay(session, "/dev", out, sizeof(out)));
	ck_assert(!session_overlay(session, "/sys/class/net", out, sizeof(out)));
	ck_assert(!session_overlay(session, "/proc", out, sizeof(out)));
	ck_assert(!session_overlay(session, "/sys/bus/pci", out, sizeof(out)));
}
END_TEST

START_TEST(only_the_owner_may_look)
{
	struct stat st;

	ck_assert_int_eq(stat(session_dir(session), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
}
END_TEST

START_TEST(stale_ones_are_swept)
{
	char dir[400], kept[512];

	snprintf(dir, sizeof(dir), "%s", session_dir(session));
	session_sweep(base);
	ck_assert_int_eq(access(dir, F_OK), 0); /* in use */
	session_keep(session);
	session_close(session);
	session_sweep(base);
	ck_assert_int_eq(access(dir, F_OK), 0); /* kept */
	snprintf(kept, sizeof(kept), "%s/keep", dir);
	ck_assert_int_eq(unlink(kept), 0);
	session_sweep(base);
	ck_assert_int_eq(access(dir, F_OK), -1);
	session = NULL;
}
END_TEST

/* Whatever has a similar name is not ours to remove, however old and unlocked it is. */
START_TEST(only_sessions_are_swept)
{
	static const char *const names[] = { "uvfio-build", "uvfio-abc.de", "uvfio-1234567",
					     "uvfio-AbCdEf" };
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/%s/file", base, names[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	}
	session_sweep(base);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s/file", base, names[i]);
		ck_assert_int_eq(rmdir(path), 0);
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		ck_assert_int_eq(rmdir(path), 0);
	}
	/* The empty remains of a creator that died early go. */
	snprintf(path, sizeof(path), "%s/uvfio-AbCdEf", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	session_sweep(base);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	session_sweep(base);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

/* What creators and removers leave who die at any step. */
START_TEST(remains_are_swept)
{
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char path[512];

	snprintf(path, sizeof(path), "%s/uvfio-AbCdE1", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	strcat(path, "/alive.new");
	close(creat(path, 0600));
	snprintf(path, sizeof(path), "%s/uvfio-AbCdE1", base);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	snprintf(path, sizeof(path), "%s/uvfio-AbCdE2", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	strcat(path, "/alive");
	close(creat(path, 0600));
	snprintf(path, sizeof(path), "%s/uvfio-AbCdE3.dead", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	strcat(path, "/sys");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	session_sweep(base);
	for (int i = 1; i <= 3; i++) {
		snprintf(path, sizeof(path), "%s/uvfio-AbCdE%d%s", base, i, i == 3 ? ".dead" : "");
		ck_assert_msg(access(path, F_OK) == -1, "%s is left", path);
	}
}
END_TEST

/* No slot may lead out of the file, whatever wrote it. */
START_TEST(a_damaged_session_file)
{
	struct shared_header *shared = session_shared(session);
	struct shared_device *slot = shared_find_device(shared, "0000:01:00.0");
	const struct shared_device good = *slot;
	struct session *other;

	for (int i = 0; i < 6; i++) {
		*slot = good;
		shared->num_devices = 3;
		if (i == 0)
			slot->offset = shared->file_size;
		if (i == 1)
			slot->size = UINT64_MAX - slot->offset + 1;
		if (i == 2)
			slot->offset = 0;
		if (i == 3)
			slot->offset += 8; /* in the middle of a line */
		if (i == 4)
			memset(slot->name, 'x', sizeof(slot->name));
		if (i == 5)
			shared->num_devices = SHARED_MAX_DEVICES + 1;
		ck_assert_int_eq(session_open(session_dir(session), &other), -EPROTO);
	}
	*slot = good;
	shared->num_devices = 3;
	ck_assert_int_eq(session_open(session_dir(session), &other), 0);
	session_close(other);
}
END_TEST

START_TEST(a_user_keeps_it_alive)
{
	struct session *second;

	ck_assert_int_eq(session_open(session_dir(session), &second), 0);
	ck_assert_int_eq(session_hold(second), 0);
	ck_assert(!session_remove(session));
	session_close(second);
	ck_assert(session_remove(session));
	session_close(session);
	session = NULL;
}
END_TEST

START_TEST(no_session_there)
{
	struct session *other;

	ck_assert_int_eq(session_open("/nonexistent", &other), -ENOENT);
	ck_assert_int_eq(session_open(base, &other), -ENOENT);
}
END_TEST

START_TEST(the_shared_file)
{
	struct session *other;
	struct shared_header *shared = session_shared(session);
	struct shared_device *a = shared_find_device(shared, "0000:01:00.0"),
			     *c = shared_find_device(shared, "0000:03:00.0");

	ck_assert_ptr_null(shared_find_device(shared, "0000:04:00.0"));
	ck_assert_uint_eq(a->offset % 64, 0);
	/* Every function's registers have their place, whatever its model shares. */
	ck_assert_uint_eq(shared_find_device(shared, "0000:02:00.0")->size, PCI_SHARED_HEADER);
	ck_assert_uint_ge(c->offset, a->offset + a->size);
	ck_assert_uint_le(c->offset + c->size, shared->file_size);
	a->stats.irqs = 5;
	ck_assert_int_eq(session_open(session_dir(session), &other), 0);
	ck_assert_uint_eq(shared_find_device(session_shared(other), "0000:01:00.0")->stats.irqs, 5);
	session_close(other);
}
END_TEST

START_TEST(faults_are_kept)
{
	struct shared_header *shared = session_shared(session);
	struct dma_fault fault = { .name = "0000:01:00.0",
				   .iova = 0x1234,
				   .len = 64,
				   .write = true,
				   .reason = DMA_FAULT_PERMISSION };

	for (int i = 0; i < SHARED_MAX_FAULTS + 3; i++) {
		fault.iova++;
		shared_report_fault(shared, &fault);
	}
	ck_assert_uint_eq(shared->faults, SHARED_MAX_FAULTS + 3);
	ck_assert_uint_eq(shared->fault[0].iova, 0x1235);
	ck_assert_uint_eq(shared->fault[SHARED_MAX_FAULTS - 1].ready, 1);
	ck_assert_str_eq(shared->fault[0].name, "0000:01:00.0");
	ck_assert_str_eq(dma_fault_reason_text(shared->fault[0].reason),
			 "mapped without permission");
}
END_TEST

/* In a child: whether it gets the claim. */
static bool child_claims(unsigned int id)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct session *own;

		if (session_open(session_dir(session), &own))
			_exit(2);
		_exit(session_claim_group(own, id) >= 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return !WEXITSTATUS(status);
}

START_TEST(claims_between_processes)
{
	int fd = session_claim_group(session, 7);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(session_claim_group(session, 7), -EBUSY);
	ck_assert(session_group_claimed(session, 7) && !session_group_claimed(session, 8));
	ck_assert(!child_claims(7));
	ck_assert(child_claims(8));
	close(fd);
	/* The child that had it is gone, and with it the claim. */
	ck_assert(child_claims(7));
	ck_assert(!session_group_claimed(session, 7));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tc = tcase_create("session");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, names_that_are_replaced);
	tcase_add_test(tc, buffers_that_are_too_small);
	tcase_add_test(tc, names_back);
	tcase_add_test(tc, only_the_owner_may_look);
	tcase_add_test(tc, stale_ones_are_swept);
	tcase_add_test(tc, only_sessions_are_swept);
	tcase_add_test(tc, remains_are_swept);
	tcase_add_test(tc, a_damaged_session_file);
	tcase_add_test(tc, a_user_keeps_it_alive);
	tcase_add_test(tc, no_session_there);
	tcase_add_test(tc, the_shared_file);
	tcase_add_test(tc, faults_are_kept);
	tcase_add_test(tc, claims_between_processes);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
