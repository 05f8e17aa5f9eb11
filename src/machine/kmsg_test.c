/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel log: records, places, what is overwritten, the file /dev/kmsg and syslog(2). */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/file.h"
#include "machine/kmsg.h"
#include "machine/launch.h"
#include "machine/machine.h"
#include "machine/session_create.h"

static struct session *session;
static struct uvfio_machine *machine;
static char base[] = "/tmp/uvfio-kmsg-XXXXXX";

static void setup(void)
{
	struct description *desc;
	char err[512];

	ck_assert_ptr_nonnull(mkdtemp(base));
	setenv("UVFIO_DIR", base, 1);
	ck_assert_int_eq(description_create(&desc), 0);
	ck_assert_msg(machine_launch(desc, &session_identity_root, &session, &machine, err,
				     sizeof(err)) == 0,
		      "%s", err);
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

static void say(unsigned int priority, const char *text)
{
	ck_assert_int_eq(kmsg_write(session, priority, text, strlen(text)), 0);
}

START_TEST(records)
{
	char text[KMSG_RECORD + 1], small[16];
	struct kmsg_reader reader;
	struct kmsg_record record;

	ck_assert_int_eq(kmsg_reader_open(session, &reader), 0);
	ck_assert_int_gt(kmsg_reader_next(&reader, text, sizeof(text)), 0);
	ck_assert(kmsg_parse(text, &record));
	ck_assert_uint_eq(record.seq, 0);
	ck_assert_str_eq(record.text, "pci 0000:00:00.0: [8086:29c0] class 0x060000");
	ck_assert_str_eq(record.subsystem, "pci");
	ck_assert_str_eq(record.device, "+pci:0000:00:00.0");
	kmsg_reader_seek(&reader, KMSG_END);
	ck_assert_int_eq(kmsg_reader_next(&reader, text, sizeof(text)), -EAGAIN);
	ck_assert_int_eq(kmsg_reader_poll(&reader), 0);
	ck_assert_int_eq(kmsg_wait(&reader), -ETIMEDOUT);
	say(4, "a\tb\\c");
	ck_assert_int_eq(kmsg_wait(&reader), 0);
	ck_assert_int_eq(kmsg_reader_poll(&reader) & (POLLIN | POLLERR), POLLIN);
	ck_assert_int_eq(kmsg_reader_next(&reader, small, sizeof(small)), -EINVAL);
	ck_assert_int_gt(kmsg_reader_next(&reader, text, sizeof(text)), 0);
	ck_assert(!strncmp(text, "4,", 2) && text[strlen(text) - 1] == '\n');
	ck_assert(kmsg_parse(text, &record));
	ck_assert_str_eq(record.text, "a\\x09b\\x5cc");
	ck_assert(!kmsg_parse(strcpy(text, "nothing"), &record));
	kmsg_clear(session);
	say(6, "after");
	kmsg_reader_seek(&reader, KMSG_CLEARED);
	ck_assert_int_gt(kmsg_reader_next(&reader, text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, ";after\n"));
	kmsg_reader_close(&reader);
}
END_TEST

START_TEST(what_is_overwritten)
{
	char text[KMSG_RECORD + 1], line[200], path[4096];
	struct kmsg_reader reader;
	unsigned long long first, seq;
	struct stat st;
	ssize_t len;

	ck_assert_int_eq(kmsg_reader_open(session, &reader), 0);
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 3 * KMSG_SIZE / 200; i++)
		ck_assert_int_eq(kmsg_write(session, 6, line, sizeof(line)), 0);
	ck_assert_int_eq(kmsg_reader_poll(&reader) & POLLERR, POLLERR);
	ck_assert_int_eq(kmsg_reader_next(&reader, text, sizeof(text)), -EPIPE);
	ck_assert_int_gt(kmsg_reader_next(&reader, text, sizeof(text)), 0);
	ck_assert_int_eq(sscanf(text, "6,%llu,", &first), 1);
	ck_assert_uint_gt(first, 100);
	for (seq = first; (len = kmsg_reader_next(&reader, text, sizeof(text))) > 0;) {
		unsigned long long now;

		ck_assert_int_eq(sscanf(text, "6,%llu,", &now), 1);
		ck_assert_uint_eq(now, ++seq);
	}
	ck_assert_int_eq(len, -EAGAIN);
	ck_assert_uint_gt((seq - first) * 200, KMSG_SIZE - 64 * 1024);
	/* And the file stays small. */
	snprintf(path, sizeof(path), "%s/kmsg", session_dir(session));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_lt(st.st_blocks * 512, 2 * KMSG_SIZE + 16384);
	kmsg_reader_close(&reader);
}
END_TEST

static ssize_t give(struct file *file, const char *text)
{
	return file_write(file, (uintptr_t)text, strlen(text));
}

START_TEST(the_device)
{
	char text[KMSG_RECORD + 1];
	struct file *file;
	ssize_t len;

	ck_assert_int_eq(machine_open(machine, "/dev/kmsg", O_RDWR | O_NONBLOCK, &file), 0);
	ck_assert_int_eq(file_lseek(file, 0, SEEK_END), 0);
	ck_assert_int_eq(file_lseek(file, 1, SEEK_SET), -ESPIPE);
	ck_assert_int_eq(file_lseek(file, 0, SEEK_CUR), -EINVAL);
	ck_assert_int_eq(file_read(file, (uintptr_t)text, sizeof(text)), -EAGAIN);
	ck_assert_int_eq(file_poll(file) & POLLIN, 0);
	ck_assert_int_eq(give(file, "plain\n"), 6);
	ck_assert_int_eq(give(file, "<3>error"), 8);
	ck_assert_int_eq(give(file, "<30>daemon"), 10);
	ck_assert_int_eq(file_poll(file) & POLLIN, POLLIN);
	ck_assert_int_eq(file_read(file, (uintptr_t)text, 4), -EINVAL);
	static const char *const heads[] = { "12,", "11,", "30," };
	static const char *const tails[] = { ";plain\n", ";error\n", ";daemon\n" };
	for (int i = 0; i < 3; i++) {
		len = file_read(file, (uintptr_t)text, sizeof(text) - 1);
		ck_assert_int_gt(len, 0);
		text[len] = '\0';
		ck_assert_msg(!strncmp(text, heads[i], 3) && strstr(text, tails[i]), "%s", text);
	}
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(file_write(file, (uintptr_t)text, sizeof(text)), -EINVAL);
	ck_assert_int_eq(file_lseek(file, 0, SEEK_SET), 0);
	ck_assert_int_gt(file_read(file, (uintptr_t)text, sizeof(text)), 0);
	ck_assert(!strncmp(text, "6,0,", 4));
	file_put(file);
}
END_TEST

START_TEST(syslog)
{
	char text[8192];
	int len, all = kmsg_syslog(session, 9, NULL, 0);

	ck_assert_int_eq(kmsg_syslog(session, 10, NULL, 0), KMSG_SIZE);
	len = kmsg_syslog(session, 3, text, sizeof(text));
	ck_assert_int_eq(len, all);
	ck_assert(!strncmp(text, "<6>[", 4));
	/* What fits of the end. */
	len = kmsg_syslog(session, 3, text, 100);
	ck_assert(len > 0 && len <= 100 && text[0] == '<' && text[len - 1] == '\n');
	ck_assert_int_eq(kmsg_syslog(session, 5, NULL, 0), 0);
	ck_assert_int_eq(kmsg_syslog(session, 3, text, sizeof(text)), 0);
	ck_assert_int_eq(kmsg_syslog(session, 3, NULL, 10), -EINVAL);
	ck_assert_int_eq(kmsg_syslog(session, 77, NULL, 0), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kmsg");
	TCase *tc = tcase_create("kmsg");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, records);
	tcase_add_test(tc, what_is_overwritten);
	tcase_add_test(tc, the_device);
	tcase_add_test(tc, syslog);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
