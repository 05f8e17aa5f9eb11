/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every way to start a program, with every way to change its environment: the program is in the
 * session, and has the settings that it was given.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <wordexp.h>

#include "preload/preload_test.h"

extern char **environ;

#define SELF "/proc/self/exe"
#define OWN  "libm.so.6"

static char self[256];

/* ---- the program that is started ------------------------------------------------------------- */

static bool mapped(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;
	char line[512];

	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strstr(line, name) != NULL;
	if (maps)
		fclose(maps);
	return found;
}

/* One line for each thing that the test asks about. */
static int child(void)
{
	static const char *const names[] = {
		"LD_PRELOAD",	 "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "ASAN_OPTIONS",
		"LSAN_OPTIONS",	 "UBSAN_OPTIONS",   "TSAN_OPTIONS",   "KEPT",
		"UVFIO_SESSION",
	};
	int fd = open(CONTAINER, O_RDWR);

	printf("session=%d\n", fd >= 0 && is_container(fd));
	printf("own=%d\n", mapped(OWN));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (getenv(names[i]))
			printf("%s=%s\n", names[i], getenv(names[i]));
	fflush(stdout);
	return 42;
}

/* ---- ways to start it -------------------------------------------------------------------------
 * Each runs in a process of its own, whose stdout the test reads; it does not come back, or
 * returns the program's status. */

static char *const args[] = { (char *)"test", (char *)"child", NULL };

static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int way_execve(void)
{
	return execve(self, args, environ);
}

static int way_execv(void)
{
	return execv(self, args);
}

/* With the program's directory as PATH, which stays in the environment. */
static const char *in_path(void)
{
	static char dir[256];
	char *slash;

	strcpy(dir, self);
	slash = strrchr(dir, '/');
	*slash = '\0';
	setenv("PATH", dir, 1);
	return slash + 1;
}

static int way_execvp(void)
{
	const char *name = in_path();

	return execvp(name, args);
}

static int way_execvpe(void)
{
	const char *name = in_path();

	return execvpe(name, args, environ);
}

static int way_execl(void)
{
	return execl(self, "test", "child", NULL);
}

static int way_execlp(void)
{
	const char *name = in_path();

	return execlp(name, "test", "child", NULL);
}

static int way_execle(void)
{
	return execle(self, "test", "child", NULL, environ);
}

static int way_fexecve(void)
{
	return fexecve(open(self, O_RDONLY | O_CLOEXEC), args, environ);
}

static int way_execveat(void)
{
	return execveat(AT_FDCWD, self, args, environ, 0);
}

static int way_syscall(void)
{
	return (int)syscall(SYS_execve, self, args, environ);
}

static int way_spawn(void)
{
	pid_t pid;

	return posix_spawn(&pid, self, NULL, NULL, args, environ) ? -1 : status_of(pid);
}

static int way_spawnp(void)
{
	const char *name = in_path();
	pid_t pid;

	return posix_spawnp(&pid, name, NULL, NULL, args, environ) ? -1 : status_of(pid);
}

static int way_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execve(self, args, environ);
		_exit(1);
	}
	return status_of(pid);
}

static int way_system(void)
{
	char command[300];

	snprintf(command, sizeof(command), "%s child", self);
	return WEXITSTATUS(system(command));
}

static int way_popen(void)
{
	char command[300], line[1024];
	FILE *stream;

	snprintf(command, sizeof(command), "%s child", self);
	stream = popen(command, "r");
	while (stream && fgets(line, sizeof(line), stream))
		fputs(line, stdout);
	return stream ? WEXITSTATUS(pclose(stream)) : -1;
}

static int way_wordexp(void)
{
	char words[300];
	wordexp_t result;

	snprintf(words, sizeof(words), "$(%s child)", self);
	setenv("IFS", "\n", 1);
	if (wordexp(words, &result, 0))
		return -1;
	for (size_t i = 0; i < result.we_wordc; i++)
		puts(result.we_wordv[i]);
	return 42;
}

static const struct way {
	const char *name;
	int (*fn)(void);
} ways[] = {
	{ "execve", way_execve },   { "execv", way_execv },	  { "execvp", way_execvp },
	{ "execvpe", way_execvpe }, { "execl", way_execl },	  { "execlp", way_execlp },
	{ "execle", way_execle },   { "fexecve", way_fexecve },	  { "execveat", way_execveat },
	{ "syscall", way_syscall }, { "posix_spawn", way_spawn }, { "posix_spawnp", way_spawnp },
	{ "vfork", way_vfork },	    { "system", way_system },	  { "popen", way_popen },
	{ "wordexp", way_wordexp },
};
#define NUM_WAYS (sizeof(ways) / sizeof(ways[0]))

/* ---- ways to change the environment ---------------------------------------------------------- */

static char ours[512];

static void set_preload(const char *format)
{
	char value[1200];

	snprintf(value, sizeof(value), format, ours);
	setenv("LD_PRELOAD", value, 1);
}

static void change_nothing(void)
{
}

static void change_replace(void)
{
	setenv("LD_PRELOAD", OWN, 1);
}

static void change_prepend(void)
{
	set_preload(OWN ":%s");
}

static void change_append(void)
{
	set_preload("%s " OWN);
}

static void change_unset(void)
{
	unsetenv("LD_PRELOAD");
	unsetenv("UVFIO_SESSION");
	unsetenv("GLIBC_TUNABLES");
}

static void change_clear(void)
{
	clearenv();
}

static void change_putenv(void)
{
	static char variable[] = "LD_PRELOAD=" OWN;

	putenv(variable);
}

static void change_replace_all(void)
{
	static char *new[] = { (char *)"LD_PRELOAD=" OWN, (char *)"KEPT=yes", NULL };

	environ = new;
}

static void change_settings(void)
{
	setenv("LD_LIBRARY_PATH", "/nonexistent", 1);
	setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1", 1);
	setenv("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0", 1);
	setenv("LSAN_OPTIONS", "verbosity=0", 1);
	setenv("UBSAN_OPTIONS", "print_stacktrace=0", 1);
	setenv("TSAN_OPTIONS", "halt_on_error=0", 1);
}

static const struct change {
	const char *name;
	void (*fn)(void);
	bool own;	       /* a library of the program's is in LD_PRELOAD */
	const char *expect[7]; /* lines, or how they begin */
} changes[] = {
	{ "nothing", change_nothing, false, { "GLIBC_TUNABLES=glibc.malloc.mmap_max=0:" } },
	{ "replaced", change_replace, true, { "LD_PRELOAD=" OWN ":/" } },
	{ "prepended", change_prepend, true, { "LD_PRELOAD=" OWN ":/" } },
	{ "appended", change_append, true, { "LD_PRELOAD=/" } },
	{ "unset", change_unset, false, { "LD_PRELOAD=/", "GLIBC_TUNABLES=glibc.malloc." } },
	{ "cleared", change_clear, false, { "LD_PRELOAD=/", "UVFIO_SESSION=/" } },
	{ "put", change_putenv, true, { "LD_PRELOAD=" OWN ":/" } },
	{ "a new one", change_replace_all, true, { "LD_PRELOAD=" OWN ":/", "KEPT=yes" } },
	{ "settings",
	  change_settings,
	  false,
	  { "LD_LIBRARY_PATH=/nonexistent",
	    "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:",
	    "ASAN_OPTIONS=detect_leaks=0:abort_on_error=0", "LSAN_OPTIONS=verbosity=0",
	    "UBSAN_OPTIONS=print_stacktrace=0", "TSAN_OPTIONS=halt_on_error=0" } },
};
#define NUM_CHANGES (sizeof(changes) / sizeof(changes[0]))

/* The program's status; what it wrote in @text. */
static int start(const struct way *way, const struct change *change, char *text, size_t size)
{
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		change->fn();
		n = way->fn();
		fflush(stdout);
		_exit((int)n);
	}
	close(fds[1]);
	while (len < size - 1 && (n = read(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	return status_of(pid);
}

/* A line that begins so. */
static bool has_line(const char *text, const char *begin)
{
	const char *at = text;

	while ((at = strstr(at, begin))) {
		if (at == text || at[-1] == '\n')
			return true;
		at++;
	}
	return false;
}

START_TEST(starts)
{
	const struct way *way = &ways[(size_t)_i % NUM_WAYS];
	const struct change *change = &changes[(size_t)_i / NUM_WAYS];
	char text[8192];
	int status = start(way, change, text, sizeof(text));

	ck_assert_msg(status == 42, "%s, %s: status %d, %s", way->name, change->name, status, text);
	ck_assert_msg(has_line(text, "session=1"), "%s, %s: %s", way->name, change->name, text);
	if (change->own)
		ck_assert_msg(has_line(text, "own=1"), "%s, %s: %s", way->name, change->name, text);
	for (size_t i = 0; i < 7 && change->expect[i]; i++)
		ck_assert_msg(has_line(text, change->expect[i]), "%s, %s: no %s in %s", way->name,
			      change->name, change->expect[i], text);
}
END_TEST

START_TEST(the_program_keeps_its_environment)
{
	char *before;

	clearenv();
	setenv("KEPT", "yes", 1);
	before = environ[0];
	ck_assert_int_eq(WEXITSTATUS(system("test -c " CONTAINER)), 0);
	ck_assert_ptr_eq(environ[0], before);
	ck_assert_ptr_null(environ[1]);
}
END_TEST

static void assert_refused(int result)
{
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(errno, EACCES);
}

START_TEST(static_programs_are_refused)
{
	char *const argv[] = { (char *)"busybox", (char *)"true", NULL };
	char *const escape[] = { (char *)"UVFIO_ESCAPE=1", NULL };
	pid_t pid;
	int fd;

	if (access("/bin/busybox", X_OK))
		return;
	ck_assert_int_eq(posix_spawn(&pid, "/bin/busybox", NULL, NULL, argv, environ), EACCES);
	ck_assert_int_eq(posix_spawnp(&pid, "busybox", NULL, NULL, argv, environ), EACCES);
	assert_refused(execv("/bin/busybox", argv));
	assert_refused(execvp("busybox", argv));
	assert_refused(execl("/bin/busybox", "true", NULL));
	fd = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	assert_refused(fexecve(fd, argv, environ));
	assert_refused(execveat(AT_FDCWD, "/bin/busybox", argv, environ, 0));
	ck_assert_int_eq(posix_spawn(&pid, "/bin/busybox", NULL, NULL, argv, escape), 0);
	ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

/* The sanitizer's allocator does not survive such forks, and its stacks are larger. */
#ifndef __SANITIZE_ADDRESS__
static atomic_bool enough;

static void make_actions_once(void)
{
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, 9);
	posix_spawn_file_actions_destroy(&actions);
}

static void *make_actions(void *arg)
{
	while (!enough)
		make_actions_once();
	return arg;
}

/* A child finds no lock held by a thread that it does not have. */
START_TEST(spawning_in_the_child_of_a_busy_program)
{
	pthread_t threads[3];
	int status;
	pid_t pid;

	enough = false;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, make_actions, NULL), 0);
	for (int i = 0; i < 50; i++) {
		pid = fork();
		if (pid == 0) {
			alarm(60);
			make_actions_once();
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	enough = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

/* What AddressSanitizer's own functions need does not fit into the smallest. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SMALL_STACK 65536
#else
#define SMALL_STACK 16384
#endif

static void *start_true(void *arg)
{
	char *const argv[] = { (char *)"true", NULL };
	int *status = arg;
	pid_t pid;

	if (posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status[0], 0);
	pid = fork();
	if (pid == 0) {
		execve("/bin/true", argv, environ);
		_exit(1);
	}
	waitpid(pid, &status[1], 0);
	return NULL;
}

START_TEST(starting_from_the_smallest_stack)
{
	int status[2] = { -1, -1 };
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, start_true, status), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	ck_assert_int_eq(status[0], 0);
	ck_assert_int_eq(status[1], 0);
}
END_TEST
#endif

/* A root directory without the library. */
START_TEST(chroot_without_the_library)
{
	char dir[] = "/tmp/uvfio-chroot.XXXXXX", to[64];
	char *const argv[] = { (char *)"sh", NULL };
	pid_t pid;

	if (geteuid() != 0 || !mkdtemp(dir))
		return;
	snprintf(to, sizeof(to), "cp /bin/sh %s/sh", dir);
	ck_assert_int_eq(system(to), 0);
	pid = fork();
	if (pid == 0) {
		if (chroot(dir))
			_exit(0);
		execv("/sh", argv);
		_exit(errno == EACCES ? 7 : 1);
	}
	ck_assert_int_ne(status_of(pid), 1);
	snprintf(to, sizeof(to), "rm -r %s", dir);
	ck_assert_int_eq(system(to), 0);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_loop_test(tcase, starts, 0, NUM_WAYS * NUM_CHANGES);
	tcase_add_test(tcase, the_program_keeps_its_environment);
	tcase_add_test(tcase, static_programs_are_refused);
#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(tcase, spawning_in_the_child_of_a_busy_program);
	tcase_add_test(tcase, starting_from_the_smallest_stack);
#endif
	tcase_add_test(tcase, chroot_without_the_library);
}

int main(int argc, char **argv)
{
	ssize_t len;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return child();
	len = readlink(SELF, self, sizeof(self) - 1);
	if (len < 0 || !getenv("LD_PRELOAD"))
		return 1;
	self[len] = '\0';
	snprintf(ours, sizeof(ours), "%s", getenv("LD_PRELOAD"));
	return run_suite("preload-exec", add);
}
