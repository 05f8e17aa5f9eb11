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
	&container_probes, &group_probes,  &info_probes,      &map_probes,	 &range_probes,
	&unmap_probes,	   &vaddr_probes,  &dirty_probes,     &device_probes,	 &feature_probes,
	&hot_reset_probes, &region_probes, &mmap_probes,      &config_probes,	 &irq_probes,
	&trigger_probes,   &nvme_probes,   &two_probes,	      &admin_probes,	 &words_probes,
	&power_probes,	   &dmabuf_probes, &sysfs_probes,     &ioeventfd_probes, &functions_probes,
	&hugetlb_probes,   &sriov_probes,  &sriov_use_probes, &mdev_probes,	 &mtty_probes,
	&emulated_probes,
};

/* Without an IOMMU: no mappings, and no groups of several functions. */
static const struct probe_set *const noiommu_sets[] = {
	&noiommu_probes,   &container_probes,	 &group_probes,	 &device_probes, &feature_probes,
	&region_probes,	   &mmap_probes,	 &config_probes, &irq_probes,	 &trigger_probes,
	&two_probes,	   &admin_probes,	 &words_probes,	 &power_probes,	 &sysfs_probes,
	&ioeventfd_probes, &nvme_noiommu_probes,
};

struct line {
	size_t len;
	char text[16384];
};

char probe_bdf[32];
char probe_group[64];
char probe_bdf2[32];
char probe_group2[64];
bool probe_noiommu;
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

static bool has_vfs(void)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_totalvfs", probe_bdf);
	return access(path, F_OK) == 0;
}

/* Probes that need what not every machine has. */
static bool can_run(const struct probe_set *set)
{
	if (set == &two_probes)
		return probe_bdf2[0];
	if (set == &sriov_probes || set == &sriov_use_probes)
		return has_vfs();
	if (set == &mdev_probes || set == &mtty_probes || set == &emulated_probes)
		return access("/sys/class/mdev_bus/mtty", F_OK) == 0;
	return true;
}

static void each_probe(bool list, char **patterns, int count)
{
	const struct probe_set *const *chosen = probe_noiommu ? noiommu_sets : sets;
	size_t num = probe_noiommu ? ARRAY_SIZE(noiommu_sets) : ARRAY_SIZE(sets);
	char name[128];

	for (size_t s = 0; s < num; s++) {
		if (!list && !can_run(chosen[s]))
			continue;
		for (size_t i = 0; i < chosen[s]->count; i++) {
			const struct probe *p = &chosen[s]->probes[i];
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

static bool find_group(const char *bdf, char *group, size_t size)
{
	char link[128], target[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(link, target, sizeof(target) - 1);
	if (!bdf[0] || len < 0)
		return false;
	target[len] = 0;
	snprintf(group, size, "/dev/vfio/noiommu-%s", strrchr(target, '/') + 1);
	if (access(group, F_OK) == 0)
		probe_noiommu = true;
	else
		snprintf(group, size, "/dev/vfio/%s", strrchr(target, '/') + 1);
	return true;
}

/* The devices: as asked for, or the first two that are bound to vfio-pci. */
static bool find_devices(const char *bdf)
{
	struct dirent **names;
	int n = scandir("/sys/bus/pci/drivers/vfio-pci", &names, NULL, alphasort);

	if (bdf)
		snprintf(probe_bdf, sizeof(probe_bdf), "%s", bdf);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (strlen(name) == 12 && name[4] == ':' && strcmp(name, probe_bdf)) {
			if (!probe_bdf[0])
				memcpy(probe_bdf, name, 13);
			else if (!probe_bdf2[0])
				memcpy(probe_bdf2, name, 13);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (probe_bdf2[0] && !find_group(probe_bdf2, probe_group2, sizeof(probe_group2)))
		probe_bdf2[0] = 0;
	return find_group(probe_bdf, probe_group, sizeof(probe_group));
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
	if (!list && !find_devices(bdf)) {
		fprintf(stderr, "%s: no device bound to vfio-pci\n", argv[0]);
		return 1;
	}
	each_probe(list, argv + optind, argc - optind);
	return 0;
}
