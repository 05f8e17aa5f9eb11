/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that knows nothing of uvfio and is run inside a session: the tree of names as
 * libc shows it, and attributes written by all that writes. Each test is a process of its
 * own, forked by Check.
 */
#include "preload/preload_test.h"

#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* ---- names --------------------------------------------------------------------------- */

START_TEST(names_resolve)
{
	char text[64], path[PATH_MAX];

	read_text(DEVICE "/vendor", text, sizeof(text));
	ck_assert_str_eq(text, "0x1b36\n");
	read_text("/sys//bus/./pci/drivers/../devices/" BDF "/vendor", text, sizeof(text));
	ck_assert_str_eq(text, "0x1b36\n");
	/* The parent of a symlink's target, not of its name. */
	ck_assert_ptr_nonnull(realpath(DEVICE "/..", path));
	ck_assert_int_eq(strncmp(path, "/sys/devices/pci0000:00/", 24), 0);
	ck_assert_ptr_nonnull(realpath(DEVICE "/subsystem", path));
	ck_assert_str_eq(path, "/sys/bus/pci");
	/* Out of the tree again, to the host. */
	ck_assert_int_eq(access("/sys/bus/pci/../../../etc/passwd", R_OK), 0);
	ck_assert_int_eq(access("/sys/bus/pci/nothing", F_OK), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(open(DEVICE "/vendor/", O_RDONLY), -1);
	ck_assert_int_eq(errno, ENOTDIR);
}
END_TEST

/* The host has no /dev/vfio: the way out of the tree's directories is ours to know. */
START_TEST(dotdot_leads_out)
{
	struct stat up, direct;

	ck_assert_int_eq(stat("/dev/vfio/..", &up), 0);
	ck_assert_int_eq(stat("/dev", &direct), 0);
	ck_assert_uint_eq(up.st_ino, direct.st_ino);
	ck_assert_int_eq(stat("/dev/vfio/../null", &up), 0);
	ck_assert_int_eq(stat("/dev/vfio/../vfio/../no-such", &up), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(current_directory)
{
	char path[PATH_MAX], text[64];
	char *name;

	ck_assert_int_eq(chdir("/sys"), 0);
	ck_assert_int_eq(access("bus/pci/devices", F_OK), 0);
	ck_assert_int_eq(chdir("bus/pci"), 0);
	ck_assert_str_eq(getcwd(path, sizeof(path)), "/sys/bus/pci");
	ck_assert_ptr_null(getcwd(path, 4));
	ck_assert_int_eq(errno, ERANGE);
	name = get_current_dir_name();
	ck_assert_str_eq(name, "/sys/bus/pci");
	free(name);
	read_text("devices/" BDF "/vendor", text, sizeof(text));
	ck_assert_str_eq(text, "0x1b36\n");
	ck_assert_int_ge(readlink("/proc/self/cwd", path, sizeof(path)), 12);
	ck_assert_int_eq(memcmp(path, "/sys/bus/pci", 12), 0);
	ck_assert_int_eq(chdir("../../../tmp"), 0);
	ck_assert_str_eq(getcwd(path, sizeof(path)), "/tmp");
}
END_TEST

START_TEST(directory_fds)
{
	int sys = must_open("/sys", O_RDONLY | O_DIRECTORY), dir, fd, copy;
	struct stat a, b;
	char text[8];

	dir = openat(sys, "bus/pci/devices", O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(dir, 0);
	copy = dup(dir);
	fd = openat(copy, BDF "/vendor", O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, text, 7), 7);
	ck_assert_int_eq(memcmp(text, "0x1b36\n", 7), 0);
	ck_assert_int_eq(fstatat(dir, BDF, &a, 0), 0);
	ck_assert_int_eq(stat(DEVICE, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	/* From the root, one step at a time. */
	sys = open("/", O_PATH | O_DIRECTORY);
	fd = openat(sys, "sys", O_PATH | O_NOFOLLOW);
	sys = openat(fd, "bus", O_PATH | O_NOFOLLOW);
	fd = openat(sys, "pci", O_PATH | O_NOFOLLOW);
	ck_assert_int_eq(faccessat(fd, "devices/" BDF, F_OK, 0), 0);
	ck_assert_int_eq(fchdir(dir), 0);
	ck_assert_int_eq(access(BDF, F_OK), 0);
	ck_assert_int_eq(faccessat(dir, "../../../../etc/passwd", F_OK, 0), 0);
	/* From far away, and upwards. */
	sys = must_open("/usr/lib", O_PATH | O_DIRECTORY);
	ck_assert_int_eq(faccessat(sys, "../.." DEVICE, F_OK, 0), 0);
	fd = openat(sys, "..", O_PATH | O_DIRECTORY);
	fd = openat(fd, "..", O_PATH | O_DIRECTORY);
	ck_assert_int_eq(faccessat(fd, &(DEVICE)[1], F_OK, 0), 0);
}
END_TEST

START_TEST(device_nodes)
{
	struct statx stx;
	struct stat st;
	ino_t inode;
	int fd;

	ck_assert_int_eq(stat(CONTAINER, &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	ck_assert_uint_eq(st.st_rdev, makedev(10, 196));
	ck_assert_int_eq(statx(AT_FDCWD, CONTAINER, 0, STATX_BASIC_STATS, &stx), 0);
	ck_assert(S_ISCHR(stx.stx_mode));
	ck_assert_uint_eq(stx.stx_rdev_minor, 196);
	fd = must_open(CONTAINER, O_RDWR);
	inode = st.st_ino;
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	ck_assert_uint_eq(st.st_ino, inode);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
}
END_TEST

static bool listed(const char *path, const char *name)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int found = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		found += !strcmp(entry->d_name, name);
	rewinddir(dir);
	while ((entry = readdir(dir)))
		found += !strcmp(entry->d_name, name);
	closedir(dir);
	ck_assert_int_le(found, 2);
	return found == 2;
}

START_TEST(modes_are_kept)
{
	char path[32];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%d", group_number());
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFCHR | 0666);
	ck_assert_int_eq(chown(path, 0, 0), 0);
	/* It is still what it was. */
	fd = must_open(path, O_RDWR);
	ck_assert_int_eq(ioctl(fd, VFIO_GROUP_UNSET_CONTAINER), -1);
	ck_assert_int_ne(errno, ENOTTY);
	ck_assert_int_eq(fchmod(fd, 0600), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFCHR | 0600);
	ck_assert_int_eq(chmod(DEVICE "/driver_override", 0600), 0);
	ck_assert_int_eq(stat(DEVICE "/driver_override", &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(chmod(DEVICE "/driver_override", 0644), 0);
}
END_TEST

static int by_prefix(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "0000:", 5);
}

static int walked;

static int count_vendor(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	walked += type == FTW_F && !strcmp(path + ftw->base, "vendor");
	return 0;
}

START_TEST(listings)
{
	struct dirent **names;
	glob_t found;
	int n;

	ck_assert(listed("/sys/bus/pci/devices", BDF));
	ck_assert(listed("/sys/bus", "pci"));
	ck_assert(listed("/dev", "vfio"));
	ck_assert(listed("/dev", "null"));
	ck_assert(listed("/dev/vfio", "vfio"));
	n = scandir("/sys/bus/pci/devices", &names, by_prefix, alphasort);
	ck_assert_int_ge(n, 1);
	ck_assert_int_eq(glob("/sys/bus/pci/devices/*:01:00.0/vend*", 0, NULL, &found), 0);
	ck_assert_uint_eq(found.gl_pathc, 1);
	ck_assert_str_eq(found.gl_pathv[0], DEVICE "/vendor");
	globfree(&found);
	ck_assert_int_eq(nftw("/sys/devices/pci0000:00", count_vendor, 8, FTW_PHYS), 0);
	ck_assert_int_ge(walked, n);
}
END_TEST

/* As sysfs says it (recorded on a kernel's own). */
static const struct {
	enum { UNLINK, RMDIR, RENAME, LINK } call;
	const char *from, *to;
	int error;
} refusals[] = {
	{ UNLINK, "missing", NULL, ENOENT },
	{ UNLINK, "power", NULL, EISDIR },
	{ UNLINK, "missing/name", NULL, ENOENT },
	{ RMDIR, "missing", NULL, ENOENT },
	{ RMDIR, "vendor", NULL, ENOTDIR },
	{ RMDIR, "power", NULL, EPERM },
	{ RMDIR, "driver", NULL, ENOTDIR },
	{ RENAME, "missing", "other", ENOENT },
	{ RENAME, "vendor", "other", EPERM },
	{ RENAME, "vendor", "device", EPERM },
	{ RENAME, "missing", "/tmp/other", EXDEV },
	{ RENAME, "missing/name", "/tmp/other", ENOENT },
	{ RENAME, "/tmp/missing", "other", EXDEV },
	{ RENAME, "power", "vendor", ENOTDIR },
	{ RENAME, "vendor", "power", EISDIR },
	{ RENAME, "power", "power", 0 },
	{ LINK, "missing", "other", ENOENT },
	{ LINK, "vendor", "other", EPERM },
	{ LINK, "vendor", "device", EEXIST },
	{ LINK, "missing", "/tmp/other", ENOENT },
	{ LINK, "vendor", "/tmp/other", EXDEV },
	{ LINK, "/etc/passwd", "vendor", EEXIST },
	{ LINK, "/etc/passwd", "other", EXDEV },
};

START_TEST(refusals_have_reasons)
{
	const char *from = refusals[_i].from, *to = refusals[_i].to;
	int ret = 0;

	ck_assert_int_eq(chdir(DEVICE), 0);
	errno = 0;
	switch (refusals[_i].call) {
	case UNLINK:
		ret = unlink(from);
		break;
	case RMDIR:
		ret = rmdir(from);
		break;
	case RENAME:
		ret = rename(from, to);
		break;
	case LINK:
		ret = link(from, to);
		break;
	}
	ck_assert_int_eq(errno, refusals[_i].error);
	ck_assert_int_eq(ret, refusals[_i].error ? -1 : 0);
}
END_TEST

START_TEST(refused_changes)
{
	ck_assert_int_eq(mkdir("/sys/bus/pci/new", 0755), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(unlink(DEVICE "/vendor"), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(rename(DEVICE, "/sys/bus/pci/devices/x"), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(open("/sys/bus/pci/new", O_WRONLY | O_CREAT, 0644), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(open(DEVICE "/new/new", O_WRONLY | O_CREAT, 0644), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(mkdir(DEVICE "/new/", 0755), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(mkdir(DEVICE "/new/new", 0755), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(open(DEVICE "/vendor", O_WRONLY), -1);
	ck_assert_int_eq(errno, EACCES);
}
END_TEST

START_TEST(raw_calls)
{
	long fd = syscall(SYS_openat, AT_FDCWD, CONTAINER, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(syscall(SYS_ioctl, fd, VFIO_GET_API_VERSION, 0), VFIO_API_VERSION);
	ck_assert_int_eq(syscall(SYS_close, fd), 0);
	ck_assert_int_eq(syscall(SYS_getpid), getpid());
}
END_TEST

/* ---- stores ------------------------------------------------------------------------------ */

START_TEST(write_stores)
{
	struct iovec iov[] = { { "vfio", 4 }, { "-pci\n", 5 } };
	int fd = must_open(DEVICE "/driver_override", O_WRONLY | O_TRUNC);
	char text[64];

	ck_assert_int_eq(writev(fd, iov, 2), 9);
	ck_assert_int_eq(close(fd), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "vfio-pci\n");
	fd = must_open(DRIVER "/unbind", O_WRONLY);
	ck_assert_int_eq(write(fd, "0000:77:00.0", 12), -1);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_int_eq(dprintf(fd, "%s", "nothing"), -1);
	ck_assert_int_eq(errno, ENODEV);
	close(fd);
}
END_TEST

START_TEST(stdio_stores)
{
	FILE *f = fopen(DEVICE "/driver_override", "w");
	char text[64];

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fileno(f), 0);
	ck_assert_int_eq(fprintf(f, "%s\n", "abc"), 4);
	ck_assert_int_eq(fclose(f), 0);
	f = fopen(DEVICE "/driver_override", "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_str_eq(fgets(text, sizeof(text), f), "abc\n");
	fclose(f);
	f = fopen(DRIVER "/unbind", "w");
	fputs("nothing", f);
	ck_assert_int_eq(fclose(f), EOF);
	ck_assert_int_eq(errno, ENODEV);
	f = fdopen(must_open(DRIVER "/unbind", O_WRONLY), "w");
	setvbuf(f, NULL, _IONBF, 0);
	ck_assert_int_lt(fputs("nothing", f), 0);
	ck_assert_int_eq(errno, ENODEV);
	fclose(f);
}
END_TEST

/* As a shell does: its stdout is moved onto the attribute, and libc writes inside itself. */
static int store_by_stdout(const char *path, const char *text, int buffering)
{
	int fd = must_open(path, O_WRONLY), saved = dup(1), error;

	fflush(stdout);
	setvbuf(stdout, NULL, buffering, 4096);
	dup2(fd, 1);
	close(fd);
	printf("%s\n", text);
	errno = 0;
	error = fflush(stdout) == EOF && ferror(stdout) ? errno : 0;
	clearerr(stdout);
	dup2(saved, 1);
	close(saved);
	return error;
}

START_TEST(stdout_stores)
{
	char text[64];

	ck_assert_int_eq(store_by_stdout(DEVICE "/driver_override", "line", _IOLBF), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "line\n");
	ck_assert_int_eq(store_by_stdout(DEVICE "/driver_override", "full", _IOFBF), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "full\n");
	ck_assert_int_eq(store_by_stdout(DRIVER "/unbind", "nothing", _IOLBF), ENODEV);
	ck_assert_int_eq(store_by_stdout(DRIVER "/unbind", "nothing", _IOFBF), ENODEV);
}
END_TEST

static int shell(const char *command)
{
	return WEXITSTATUS(system(command));
}

/* The other direction: libc reads inside itself from what a shell made stdin. */
START_TEST(stdin_reads)
{
	char line[64];
	FILE *stream;

	ck_assert_int_eq(shell("test \"$(cut -c1-40 <" DEVICE "/numa_node)\" = -1"), 0);
	ck_assert_int_eq(shell("test $(sort <" DEVICE "/config | wc -c) -ge 4096"), 0);
	stream = freopen(DEVICE "/numa_node", "r", fopen("/dev/null", "r"));
	ck_assert_ptr_nonnull(stream);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), stream));
	ck_assert_str_eq(line, "-1\n");
	fclose(stream);
}
END_TEST

START_TEST(shells_store)
{
	char text[64];

	ck_assert_int_eq(shell("bash -c 'echo one > " DEVICE "/driver_override'"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "one\n");
	ck_assert_int_eq(shell("echo two > " DEVICE "/driver_override"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "two\n");
	ck_assert_int_eq(shell("echo three | tee " DEVICE "/driver_override > /dev/null"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "three\n");
	ck_assert_int_eq(shell("echo four | dd of=" DEVICE "/driver_override status=none"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "four\n");
	ck_assert_int_eq(shell("/bin/echo five > " DEVICE "/driver_override"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "five\n");
	ck_assert_int_eq(shell("exec 5> " DEVICE "/driver_override; (echo six >&5)"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "six\n");
	ck_assert_int_eq(shell("bash -c 'echo x > " DRIVER "/unbind' 2>/dev/null"), 1);
	ck_assert_int_eq(shell("bash -c 'printf x > " DRIVER "/unbind' 2>/dev/null"), 1);
	ck_assert_int_ne(shell("echo x | tee " DRIVER "/unbind >/dev/null 2>&1"), 0);
	ck_assert_int_eq(shell("/bin/echo x > " DRIVER "/unbind 2>/dev/null"), 1);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, names_resolve);
	tcase_add_test(tcase, dotdot_leads_out);
	tcase_add_test(tcase, current_directory);
	tcase_add_test(tcase, directory_fds);
	tcase_add_test(tcase, device_nodes);
	tcase_add_test(tcase, modes_are_kept);
	tcase_add_test(tcase, listings);
	tcase_add_test(tcase, refused_changes);
	tcase_add_loop_test(tcase, refusals_have_reasons, 0,
			    sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tcase, raw_calls);
	tcase_add_test(tcase, write_stores);
	tcase_add_test(tcase, stdio_stores);
	tcase_add_test(tcase, stdout_stores);
	tcase_add_test(tcase, stdin_reads);
	tcase_add_test(tcase, shells_store);
}

int main(void)
{
	return run_suite("preload-tree", add_tests);
}
