/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a C library offers to look at and write to the tree, called in turn, with its results on
 * stdout. Built for two C libraries it has to say the same.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define BDF    "0000:01:00.0"
#define DEVICE "/sys/bus/pci/devices/" BDF
#define DRIVER "/sys/bus/pci/drivers/vfio-pci"

extern char **environ;

static void say(const char *what, long ret)
{
	printf("%s: %ld, errno %d\n", what, ret, ret < 0 ? errno : 0);
	errno = 0;
}

static void text_of(const char *path)
{
	char line[256] = "";
	FILE *file = fopen(path, "r");

	if (file && fgets(line, sizeof(line), file))
		printf("%s (%d): %s", path, fileno(file) >= 0, line);
	else
		printf("%s: errno %d\n", path, errno);
	if (file)
		fclose(file);
}

static void store(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		say(path, -1);
		return;
	}
	fputs(text, file);
	say(text, fclose(file));
}

static void store_flushed(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	say("fflush", fflush(file));
	say("ferror", ferror(file));
	fclose(file);
}

/* As a shell moves its stdout. */
static void store_moved(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), saved;

	fflush(stdout);
	saved = dup(1);
	dup2(fd, 1);
	close(fd);
	fputs(text, stdout);
	fd = fflush(stdout);
	clearerr(stdout);
	dup2(saved, 1);
	close(saved);
	say("through stdout", fd);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void directory(const char *path)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, by_name), i;
	DIR *dir = opendir(path);
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	printf("%s: %d", path, count);
	for (i = 0; i < n; i++) {
		printf(" %s", names[i]->d_name);
		free(names[i]);
	}
	free(names);
	printf("\n");
}

static void find(const char *pattern)
{
	glob_t found = { 0 };
	int ret = glob(pattern, 0, NULL, &found);
	size_t i;

	printf("%s: %d", pattern, ret);
	for (i = 0; i < found.gl_pathc; i++)
		printf(" %s", found.gl_pathv[i]);
	printf("\n");
	globfree(&found);
}

static int links, directories;

static int visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)path;
	(void)st;
	(void)where;
	links += type == FTW_SL;
	directories += type == FTW_D;
	return 0;
}

static void names(void)
{
	char path[PATH_MAX], cwd[PATH_MAX];
	struct stat st;

	printf("realpath: %s\n", realpath(DEVICE "/driver", path));
	printf("group: %d\n", realpath(DEVICE "/iommu_group", path) != NULL);
	say("chdir", chdir(DRIVER));
	printf("getcwd: %s\n", getcwd(cwd, sizeof(cwd)));
	say("relative", access(BDF "/vendor", R_OK));
	say("missing", access(BDF "/nothing", R_OK));
	say("chdir", chdir("/"));
	stat("/dev/vfio/vfio", &st);
	printf("device node: %d %lx\n", S_ISCHR(st.st_mode), (unsigned long)st.st_rdev);
	lstat(DEVICE, &st);
	printf("link: %d\n", S_ISLNK(st.st_mode));
	say("mkdir", mkdir(DEVICE "/new", 0700));
	say("unlink", unlink(DEVICE "/vendor"));
	say("statfs", statfs("/sys/bus/pci", &(struct statfs){ 0 }));
}

static int end_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void programs(void)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit $(ls " DRIVER " | grep -c :)",
			 NULL };
	char line[256] = "";
	FILE *pipe;
	pid_t pid;
	int ret;

	fflush(stdout);
	ret = system("cat " DEVICE "/vendor; exit 7");
	printf("system: %d\n", WEXITSTATUS(ret));
	printf("no command: %d\n", system(NULL) != 0);
	pipe = popen("cat " DEVICE "/class", "r");
	if (pipe && fgets(line, sizeof(line), pipe))
		printf("popen: %s", line);
	printf("pclose: %d\n", pipe ? WEXITSTATUS(pclose(pipe)) : -1);
	fflush(stdout);
	pipe = popen("read line; test \"$line\" = hello && test -e " DEVICE "; exit $?", "w");
	fputs("hello\n", pipe);
	printf("popen for writing: %d\n", WEXITSTATUS(pclose(pipe)));
	ret = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
	printf("posix_spawn: %d %d\n", ret, end_of(pid));
	ret = posix_spawnp(&pid, "sh", NULL, NULL, argv, (char *[]){ NULL });
	printf("posix_spawnp: %d %d\n", ret, end_of(pid));
	pid = fork();
	if (!pid)
		execl("/bin/sh", "sh", "-c", argv[2], (char *)NULL);
	printf("fork and execl: %d\n", end_of(pid));
	pid = vfork();
	if (!pid) {
		execvp("sh", argv);
		_exit(9);
	}
	printf("vfork and execvp: %d\n", end_of(pid));
}

int main(void)
{
	text_of(DEVICE "/vendor");
	text_of(DEVICE "/nothing");
	store(DRIVER "/unbind", "nonsense");
	store_flushed(DRIVER "/bind", "nonsense");
	store_moved(DRIVER "/bind", BDF);
	store_moved(DEVICE "/driver_override", "some");
	text_of(DEVICE "/driver_override");
	store(DEVICE "/driver_override", "vfio-pci");
	store(DEVICE "/vendor", "1");
	directory("/sys/bus/pci/devices");
	directory(DRIVER);
	directory("/dev/vfio");
	find("/sys/bus/pci/devices/*:01:*/driver");
	find("/sys/bus/pci/drivers/vfio-pci/0*/vend[o]r");
	find("/sys/bus/pci/devices/nothing*");
	say("nftw", nftw(DRIVER "/", visit, 8, FTW_PHYS));
	printf("%d links, %d directories\n", links, directories);
	names();
	programs();
	store(DRIVER "/unbind", BDF);
	say("the driver is gone", access(DEVICE "/driver", F_OK));
	return 0;
}
