/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client: a VFIO user that takes nothing for granted. Each step may fail once, with an errno that
 * says what was short, and must pass when it is done again; all that was there before is still
 * there. It runs in a session with two NVMe controllers, the first at 0000:01:00.0, under
 * tests/lowres/inject or in a process that is short of something in truth (see limits.c).
 *
 * Exit status: 0, or 1 when a step failed twice. "wrong errno STEP N" on stdout: it failed with an
 * errno that the kernel would not give.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../stress/nvme_driver.h"

#define DEVICES	 "/sys/bus/pci/devices/"
#define DRIVER	 "/sys/bus/pci/drivers/vfio-pci"
#define FIRST	 "0000:01:00.0"
#define SECOND	 "0000:02:00.0"
#define PAGE	 4096u
#define MEM_IOVA 0x100000u

static int container = -1, group = -1, device = -1, event = -1;
static char group_path[2][64];
static void *memory;
static volatile uint8_t *bar;

/* A call's result as 0 or -errno. */
static int outcome(long ret)
{
	return ret < 0 ? -errno : 0;
}

static int find_group(const char *name, char *path)
{
	char link[128], target[256];
	ssize_t len;

	snprintf(link, sizeof(link), DEVICES "%s/iommu_group", name);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	snprintf(path, 64, "/dev/vfio/%.40s", strrchr(target, '/') + 1);
	return 0;
}

static int step_groups(void)
{
	int ret = find_group(FIRST, group_path[0]);

	return ret ? ret : find_group(SECOND, group_path[1]);
}

static int step_container(void)
{
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	return outcome(container);
}

static int step_group(void)
{
	group = open(group_path[0], O_RDWR | O_CLOEXEC);
	return outcome(group);
}

static int step_set_container(void)
{
	return outcome(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
}

static int step_set_iommu(void)
{
	return outcome(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
}

static int step_memory(void)
{
	void *mem =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	memory = mem;
	return 0;
}

static int step_map(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = MEM_IOVA,
		.size = 16 * PAGE,
	};

	return outcome(ioctl(container, VFIO_IOMMU_MAP_DMA, &map));
}

static int step_device(void)
{
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, FIRST);
	return outcome(device);
}

static int step_bar(void)
{
	void *mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);

	if (mem == MAP_FAILED)
		return -errno;
	bar = mem;
	/* CAP.TO is never 0, and an aborted read is all ones. */
	return bar[3] && bar[3] != 0xff ? 0 : -EIO;
}

static int step_eventfd(void)
{
	event = eventfd(0, EFD_CLOEXEC);
	return outcome(event);
}

static int step_irqs(void)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;

	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_MSIX_IRQ_INDEX,
				      .count = 1 };
	memcpy(set->data, &event, sizeof(event));
	return outcome(ioctl(device, VFIO_DEVICE_SET_IRQS, set));
}

static int step_reset(void)
{
	return outcome(ioctl(device, VFIO_DEVICE_RESET));
}

static int step_unmap(void)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = MEM_IOVA,
						    .size = 16 * PAGE };

	return outcome(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap));
}

/* Closing cannot fail. */
static int step_close(void)
{
	munmap((void *)bar, 2 * PAGE);
	close(device);
	close(event);
	close(group);
	close(container);
	return 0;
}

/* The second controller, from opening it to data that went to the disk and back. */
static int step_controller(void)
{
	struct nvme_driver nvme = { .container = -1, .group = -1, .device = -1 };
	uint8_t *data =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (data == MAP_FAILED)
		return -errno;
	memset(data, 0x5a, PAGE);
	ret = nvme_driver_open(&nvme, group_path[1], SECOND);
	if (!ret)
		ret = nvme_driver_map(&nvme, data, MEM_IOVA, 2 * PAGE);
	if (!ret)
		ret = nvme_driver_rw(&nvme, 1, 0, 8, MEM_IOVA);
	if (!ret)
		ret = nvme_driver_rw(&nvme, 0, 0, 8, MEM_IOVA + PAGE);
	if (ret > 0)
		ret = -ENOSPC; /* a media error: the disk got no room */
	if (!ret && memcmp(data, data + PAGE, PAGE))
		ret = -EIO;
	nvme_driver_close(&nvme);
	munmap(data, 2 * PAGE);
	return ret;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = outcome(write(fd, text, strlen(text)));
	close(fd);
	return ret;
}

static bool bound(void)
{
	return access(DEVICES FIRST "/driver", F_OK) == 0;
}

static int step_unbind(void)
{
	int ret = put(DRIVER "/unbind", FIRST);

	/* A failed write must not have done it. */
	return ret ? ret : bound() ? -EIO : 0;
}

static int step_override(void)
{
	return put(DEVICES FIRST "/driver_override", "vfio-pci");
}

static int step_bind(void)
{
	int ret = put(DRIVER "/bind", FIRST);

	return ret ? ret : bound() ? 0 : -EIO;
}

static int step_stream(void)
{
	FILE *stream = fopen(DEVICES FIRST "/resource", "r");
	char line[256];
	int ret = -EIO;

	if (!stream)
		return -errno;
	errno = EIO;
	if (fgets(line, sizeof(line), stream))
		ret = 0;
	else
		ret = -errno;
	fclose(stream);
	return ret;
}

static int step_list(void)
{
	DIR *dir = opendir(DEVICES);
	unsigned int entries = 0;

	if (!dir)
		return -errno;
	while (readdir(dir))
		entries++;
	closedir(dir);
	return entries >= 5 ? 0 : -EIO;
}

static int step_chmod(void)
{
	struct stat st;

	if (chmod(DEVICES FIRST "/vendor", 0400) || stat(DEVICES FIRST "/vendor", &st))
		return -errno;
	if ((st.st_mode & 0777) != 0400)
		return -EIO;
	/* The second one's says the same, and is another file. */
	if (stat(DEVICES SECOND "/vendor", &st))
		return -errno;
	return (st.st_mode & 0777) == 0444 ? 0 : -EIO;
}

static int step_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(open("/dev/vfio/vfio", O_RDWR) < 0 ? errno : 0);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -EIO;
	return -WEXITSTATUS(status);
}

static const struct step {
	const char *name;
	int (*fn)(void);
} steps[] = {
	{ "groups", step_groups },
	{ "list", step_list },
	{ "container", step_container },
	{ "group", step_group },
	{ "set container", step_set_container },
	{ "set iommu", step_set_iommu },
	{ "memory", step_memory },
	{ "map", step_map },
	{ "device", step_device },
	{ "bar", step_bar },
	{ "eventfd", step_eventfd },
	{ "irqs", step_irqs },
	{ "reset", step_reset },
	{ "child", step_child },
	{ "unmap", step_unmap },
	{ "close", step_close },
	{ "controller", step_controller },
	{ "unbind", step_unbind },
	{ "override", step_override },
	{ "bind", step_bind },
	{ "stream", step_stream },
	{ "chmod", step_chmod },
};

/* What Linux says when it is short of something. */
static bool is_shortage(int err)
{
	static const int shortages[] = { EMFILE, ENFILE, ENOMEM, ENOSPC, EAGAIN, ENOLCK };

	for (size_t i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++)
		if (err == -shortages[i])
			return true;
	return false;
}

int main(void)
{
	getpriority(PRIO_PROCESS, 0); /* the injector begins here */
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int ret = steps[i].fn();

		if (!ret)
			continue;
		printf("%s: %s\n", steps[i].name, strerror(-ret));
		if (!is_shortage(ret))
			printf("wrong errno %s %d\n", steps[i].name, -ret);
		ret = steps[i].fn();
		if (!ret)
			continue;
		printf("%s, again: %s\n", steps[i].name, strerror(-ret));
		return 1;
	}
	return 0;
}
