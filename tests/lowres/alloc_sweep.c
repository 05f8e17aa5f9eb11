/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alloc_sweep [FROM TO]: a machine, a whole VFIO life (life.h) on it and the machine's end, through
 * the C API, in one process for each allocation that is made on the way: that one fails. What
 * allocates is wrapped by the linker (see meson.build), in the library's objects and in these.
 *
 * A failed step says so with Linux's errno, changes nothing and passes when it is done again; no
 * process crashes, and, under AddressSanitizer, none leaves memory behind. No session is left on
 * the disk. Without UVFIO_SWEEP_ALL in the environment each call path fails once, and when time
 * is over the rest of them, in random order, is left out. UVFIO_SWEEP_TRACE
 * prints where each failed allocation is.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "life.h"
#include "life_door.h"

#define MAX_ALLOCS 16384u
#define FRAMES	   12
#define SECONDS	   25
#define LIMIT	   90 /* seconds of one process */

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "exitcode=99:detect_leaks=1";
}

static void trace(void)
{
	__sanitizer_print_stack_trace();
}

static int leaks(void)
{
	return __lsan_do_recoverable_leak_check();
}
#else
static void trace(void)
{
}

static int leaks(void)
{
	return 0;
}
#endif

struct uvfio_machine *door_machine;

/* Shared with the processes. */
static struct shared {
	unsigned int count;
	unsigned int at; /* which fails, from 1; 0: none */
	bool fired;
	unsigned int kept; /* fds that stay open without a failure */
	uint64_t paths[MAX_ALLOCS];
} * shared;
static bool counting;

/* ---- the allocations -------------------------------------------------------------------- */

static uint64_t __attribute__((no_sanitize("address"))) call_path(void)
{
	uintptr_t *fp = __builtin_frame_address(0), *next;
	uint64_t sum = 0xcbf29ce484222325;

	for (int i = 0; i < FRAMES; i++) {
		sum = (sum ^ fp[1]) * 0x100000001b3;
		next = (uintptr_t *)fp[0];
		if (next <= fp || (uintptr_t)next - (uintptr_t)fp > 1u << 16 ||
		    (uintptr_t)next % sizeof(*next))
			break;
		fp = next;
	}
	return sum;
}

/* Whether this one fails. */
static bool strike(void)
{
	unsigned int n;

	if (!__atomic_load_n(&counting, __ATOMIC_ACQUIRE))
		return false;
	n = __atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
	if (!shared->at && n <= MAX_ALLOCS)
		shared->paths[n - 1] = call_path();
	if (n != shared->at)
		return false;
	shared->fired = true;
	if (getenv("UVFIO_SWEEP_TRACE"))
		trace();
	errno = ENOMEM;
	return true;
}

#define WRAP(type, name, fail, params, args) \
	type __real_##name params;           \
	type __wrap_##name params;           \
	type __wrap_##name params            \
	{                                    \
		if (strike())                \
			return fail;         \
		return __real_##name args;   \
	}

WRAP(void *, malloc, NULL, (size_t size), (size))
WRAP(void *, calloc, NULL, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, NULL, (void *old, size_t size), (old, size))
WRAP(void *, aligned_alloc, NULL, (size_t align, size_t size), (align, size))
WRAP(int, posix_memalign, ENOMEM, (void **out, size_t align, size_t size), (out, align, size))
WRAP(char *, strdup, NULL, (const char *text), (text))
WRAP(char *, strndup, NULL, (const char *text, size_t size), (text, size))
WRAP(int, vasprintf, -1, (char **out, const char *format, va_list args), (out, format, args))
WRAP(FILE *, fopen, NULL, (const char *path, const char *how), (path, how))
WRAP(FILE *, fdopen, NULL, (int fd, const char *how), (fd, how))
WRAP(DIR *, opendir, NULL, (const char *path), (path))
WRAP(DIR *, fdopendir, NULL, (int fd), (fd))
WRAP(ssize_t, getline, -1, (char **line, size_t *size, FILE *file), (line, size, file))

int __wrap_asprintf(char **out, const char *format, ...);
int __wrap_asprintf(char **out, const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = __wrap_vasprintf(out, format, args);
	va_end(args);
	return ret;
}

/* ---- one process ------------------------------------------------------------------------ */

static bool create(void)
{
	static const char *const devices[] = { LIFE_DEVICES, NULL };
	struct uvfio_machine_config config = { .devices = devices, .iommu = "intel" };
	char err[512];
	int ret;

	for (int i = 0; i < 2; i++) {
		err[0] = '\0';
		ret = uvfio_machine_create(&config, &door_machine, err, sizeof(err));
		if (!ret)
			return true;
		if (ret != -ENOMEM || !err[0])
			printf("wrong creation: %d \"%s\"\n", ret, err);
		if (!shared->fired || (ret != -ENOMEM && ret != -EMFILE))
			return false;
	}
	printf("wrong creation, again: %d \"%s\"\n", ret, err);
	return false;
}

static unsigned int open_files(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int one(void)
{
	unsigned int before, after;
	bool good;
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(LIMIT);
	before = open_files();
	__atomic_store_n(&counting, true, __ATOMIC_RELEASE);
	good = create() && life_run();
	if (good) {
		ret = uvfio_machine_destroy(door_machine);
		if (ret)
			ret = uvfio_machine_destroy(door_machine);
		if (ret)
			printf("wrong end: %d\n", ret);
		good = !ret;
	}
	__atomic_store_n(&counting, false, __ATOMIC_RELEASE);
	/* What a process needs once it keeps: the same without a failure. */
	after = open_files() - before;
	if (!shared->at)
		shared->kept = after;
	if (good && after > shared->kept) {
		printf("wrong: %u open files, not %u\n", after, shared->kept);
		good = false;
	}
	if (good && leaks()) {
		printf("wrong: memory is left\n");
		good = false;
	}
	return good ? 0 : 1;
}

/* Whether the @nth allocation's failure (0: none) ends well. */
static bool try(unsigned int nth, const char *base)
{
	char remove[64];
	int status;
	pid_t pid;

	shared->count = 0;
	shared->at = nth;
	shared->fired = false;
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(one());
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("fork");
		exit(1);
	}
	if (status)
		printf("FAILED allocation %u: status %#x\n", nth, status);
	/* Only what is empty goes. */
	if (rmdir(base)) {
		if (!status)
			printf("FAILED allocation %u: a session is left\n", nth);
		status = 1;
		snprintf(remove, sizeof(remove), "rm -r '%s'", base);
		if (system(remove))
			exit(1);
	}
	mkdir(base, 0700);
	return !status;
}

/* ---- the sweep -------------------------------------------------------------------------- */

static unsigned int picks[MAX_ALLOCS];

/* The first of each path, or all; in random order unless all. */
static unsigned int pick(bool all)
{
	unsigned int n = 0, total = shared->count;

	for (unsigned int i = 0; i < total; i++) {
		bool seen = false;

		for (unsigned int j = 0; j < i && !all && !seen; j++)
			seen = shared->paths[j] == shared->paths[i];
		if (!seen)
			picks[n++] = i + 1;
	}
	srandom((unsigned int)time(NULL));
	for (unsigned int i = n; i > 1 && !all; i--) {
		unsigned int j = (unsigned int)random() % i, swap = picks[i - 1];

		picks[i - 1] = picks[j];
		picks[j] = swap;
	}
	return n;
}

int main(int argc, char **argv)
{
	char base[] = "/dev/shm/uvfio-alloc-XXXXXX";
	unsigned int n, tried = 0, bad = 0;
	bool all = argc > 2 || getenv("UVFIO_SWEEP_ALL");
	time_t end = time(NULL) + SECONDS;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || !mkdtemp(base))
		return 1;
	setenv("UVFIO_DIR", base, 1);
	if (!try(0, base))
		return 1;
	printf("%u allocations\n", shared->count);
	if (shared->count > MAX_ALLOCS)
		return 1;
	n = pick(all);
	for (unsigned int i = 0; i < n && (all || time(NULL) < end); i++) {
		if (argc > 2 && (picks[i] < (unsigned int)atoi(argv[1]) ||
				 picks[i] > (unsigned int)atoi(argv[2])))
			continue;
		tried++;
		bad += !try(picks[i], base);
	}
	rmdir(base);
	printf("%u of %u tried, %u bad\n", tried, n, bad);
	return bad || !tried;
}
