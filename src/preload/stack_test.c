/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program whose threads have the smallest stacks, inside a session: what it calls needs more than
 * they have. Each test is a process of its own, so that each meets a session that is not open yet.
 */
#include "preload/preload_test.h"

#include <dirent.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>

/* What AddressSanitizer's own functions need does not fit into the smallest. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SMALL_STACK 65536
#else
#define SMALL_STACK 16384
#endif

static void *in_small_thread(void *arg)
{
	void (*fn)(void);

	memcpy(&fn, arg, sizeof(fn));
	fn();
	return NULL;
}

static void run_small(void (*fn)(void))
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, in_small_thread, &fn), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

static void put(const char *path, const char *text)
{
	int fd = must_open(path, O_WRONLY);

	ck_assert_msg(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s to %s: %s", text,
		      path, strerror(errno));
	close(fd);
}

static void get(const char *path, const char *text)
{
	char is[64] = "";
	int fd = must_open(path, O_RDONLY);

	ck_assert_int_gt(read(fd, is, sizeof(is) - 1), 0);
	ck_assert_str_eq(is, text);
	close(fd);
}

/* A driver's life: the machine is built, a container maps memory, a store to the BAR traps. */
static void drive(void)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ,
						.iova = 0x100000,
						.size = 1 << 20 };
	static struct client client;
	void *memory;

	client_open(&client);
	memory = mmap(NULL, map.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	map.vaddr = (uintptr_t)memory;
	ck_assert_int_eq(ioctl(client.container, VFIO_IOMMU_MAP_DMA, &map), 0);
	ck_assert(bar_works(&client));
	ck_assert_int_eq(ioctl(client.device, VFIO_DEVICE_RESET), 0);
	ck_assert_int_eq(munmap(memory, map.size), 0);
	close(client.device);
	close(client.group);
	close(client.container);
}

static void look_at_names(void)
{
	static char path[PATH_MAX];
	static struct stat st;
	static struct statfs fs;
	static struct statx stx;
	struct dirent *entry;
	int n = 0, fd;
	DIR *dir;

	ck_assert_ptr_nonnull(realpath(DEVICE "/subsystem", path));
	ck_assert_str_eq(path, "/sys/bus/pci");
	ck_assert_int_gt(readlink(DEVICE "/driver", path, sizeof(path)), 0);
	ck_assert_int_eq(stat(DEVICE "/config", &st), 0);
	ck_assert_int_eq(statfs(DEVICE, &fs), 0);
	ck_assert_int_eq(statx(AT_FDCWD, DEVICE, 0, STATX_BASIC_STATS, &stx), 0);
	ck_assert_int_eq(chdir(DEVICE), 0);
	ck_assert_ptr_nonnull(getcwd(path, sizeof(path)));
	ck_assert_ptr_nonnull(strstr(path, BDF));
	fd = must_open("vendor", O_RDONLY);
	ck_assert_int_eq(fchmod(fd, 0400), 0);
	ck_assert_int_eq(fchown(fd, 0, 0), 0);
	close(fd);
	ck_assert_int_eq(chmod("vendor", 0444), 0);
	ck_assert_int_eq(chown("vendor", 0, 0), 0);
	ck_assert_int_eq(unlink("vendor"), -1);
	ck_assert_int_eq(rename("vendor", "device"), -1);
	ck_assert_int_eq(link("vendor", "other"), -1);
	ck_assert_int_eq(truncate("driver_override", 0), 0);
	dir = opendir(".");
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		n++;
	closedir(dir);
	ck_assert_int_gt(n, 20);
}

/* What changes the tree, its files and the modules, and the log. */
static void change_things(void)
{
	get(DEVICE "/vendor", "0x1b36\n");
	put(DRIVER "/unbind", BDF);
	ck_assert_int_eq(access(DEVICE "/driver", F_OK), -1);
	put(DRIVER "/new_id", "1234 5678");
	put(DRIVER "/remove_id", "1234 5678");
	put(DEVICE "/driver_override", "vfio-pci");
	get(DEVICE "/driver_override", "vfio-pci\n");
	put("/sys/bus/pci/drivers_probe", BDF);
	ck_assert_int_eq(access(DEVICE "/driver", F_OK), 0);
	put(DEVICE "/reset", "1");
	put(DEVICE "/uevent", "change");
	put("/dev/kmsg", "a line");
	put(DEVICE "/remove", "1");
	ck_assert_int_eq(access(DEVICE, F_OK), -1);
	put("/sys/bus/pci/rescan", "1");
	put("/sys/bus/pci/drivers_probe", BDF);
	ck_assert_int_eq(access(DEVICE, F_OK), 0);
}

static void listen_and_tell(void)
{
	static struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	static char message[4096];
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	put(DEVICE "/uevent", "change");
	ck_assert_int_gt(recv(fd, message, sizeof(message), 0), 0);
	ck_assert_int_eq(strncmp(message, "change@/devices/pci0000:00/", 27), 0);
	close(fd);
}

static void read_of_memory(void)
{
	static const char *const names[] = { "/proc/meminfo",	     "/proc/mounts",
					     "/proc/self/mountinfo", "/proc/self/smaps",
					     "/proc/self/numa_maps", "/proc/modules" };
	static char text[4096];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fd = open(names[i], O_RDONLY);
		if (fd < 0 && errno == ENOENT)
			continue; /* this host's kernel does not have it */
		ck_assert_msg(fd >= 0, "%s: %s", names[i], strerror(errno));
		ck_assert_int_gt(read(fd, text, sizeof(text)), 0);
		close(fd);
	}
}

static void (*const ways[])(void) = { drive, look_at_names, change_things, listen_and_tell,
				      read_of_memory };

START_TEST(from_a_small_stack)
{
	run_small(ways[_i]);
}
END_TEST

static void use_all(void)
{
	size_t i;

	for (i = 0; i < 20; i++)
		get(DEVICE "/vendor", "0x1b36\n");
}

/* Several at once: each needs a stack of its own. */
START_TEST(from_many_small_stacks)
{
	void (*fn)(void) = use_all;
	pthread_t threads[8];
	pthread_attr_t attr;
	int i;

	pthread_attr_init(&attr);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&threads[i], &attr, in_small_thread, &fn), 0);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	pthread_attr_destroy(&attr);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_loop_test(tcase, from_a_small_stack, 0, sizeof(ways) / sizeof(ways[0]));
	tcase_add_test(tcase, from_many_small_stacks);
}

int main(void)
{
	return run_suite("preload-stack", add);
}
