/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program: chooses probes, runs each one in a child process, so that nothing is left open and
 * a crash or hang costs one probe only, and prints its line. The line is built in shared memory:
 * what a killed child has said is still there.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include "probe.h"

#define PROBE_SECONDS 60

static const struct probe_set *const sets[] = {
	&container_probes, &group_probes,  &info_probes,  &map_probes,	  &range_probes,
	&unmap_probes,	   &vaddr_probes,  &dirty_probes, &device_probes, &feature_probes,
	&hot_reset_probes, &region_probes, &mmap_probes,  &config_probes, &irq_probes,
	&trigger_probes,   &admin_probes,
};

struct line {
	size_t len;
	char text[16384];
};

char probe_bdf[32];
char probe_group[64];
static struct line *line;

void say(const char *fmt, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line->text + line->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void run_probe(const char *name, void (*fn)(long), long arg)
{
	int status;
	pid_t pid;

	line->len = 0;
	line->text[0] = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(PROBE_SECONDS);
		fn(arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		say(" (cannot run: %s)", strerror(errno));
	else if (WIFSIGNALED(status))
		say(" (killed by signal %d)", WTERMSIG(status));
	printf("%s:%s\n", name, line->text);
}

static bool wanted(const char *name, char **patterns, int count)
{
	for (int i = 0; i < count; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return count == 0;
}

static void each_probe(bool list, char **patterns, int count)
{
	char name[128];

	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		for (size_t i = 0; i < sets[s]->count; i++) {
			const struct probe *p = &sets[s]->probes[i];
			long n = p->count ? p->count : 1;

			for (long arg = p->first; arg < p->first + n; arg++) {
				snprintf(name, sizeof(name), "%s", p->name);
				if (p->count)
					snprintf(name, sizeof(name), "%s-%ld", p->name, arg);
				if (!wanted(name, patterns, count))
					continue;
				if (list)
					puts(name);
				else
					run_probe(name, p->fn, arg);
			}
		}
	}
}

/* The device: as asked for, or the first one that is bound to vfio-pci. */
static bool find_device(const char *bdf)
{
	char link[128], target[256];
	struct dirent *entry;
	ssize_t len;
	DIR *dir;

	if (bdf) {
		snprintf(probe_bdf, sizeof(probe_bdf), "%s", bdf);
	} else {
		dir = opendir("/sys/bus/pci/drivers/vfio-pci");
		while (dir && !probe_bdf[0] && (entry = readdir(dir)))
			if (strlen(entry->d_name) == 12 && entry->d_name[4] == ':')
				memcpy(probe_bdf, entry->d_name, 13);
		if (dir)
			closedir(dir);
	}
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", probe_bdf);
	len = readlink(link, target, sizeof(target) - 1);
	if (!probe_bdf[0] || len < 0)
		return false;
	target[len] = 0;
	snprintf(probe_group, sizeof(probe_group), "/dev/vfio/%s", strrchr(target, '/') + 1);
	return true;
}

int main(int argc, char **argv)
{
	const char *bdf = NULL;
	bool list = false;
	int opt;

	while ((opt = getopt(argc, argv, "d:l")) != -1) {
		if (opt == 'd') {
			bdf = optarg;
		} else if (opt == 'l') {
			list = true;
		} else {
			fprintf(stderr, "usage: %s [-l] [-d BDF] [PATTERN...]\n", argv[0]);
			return 2;
		}
	}
	line = mmap(NULL, sizeof(*line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (line == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	if (!list && !find_device(bdf)) {
		fprintf(stderr, "%s: no device bound to vfio-pci\n", argv[0]);
		return 1;
	}
	each_probe(list, argv + optind, argc - optind);
	return 0;
}
