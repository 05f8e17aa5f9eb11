/* SPDX-License-Identifier: BSD-3-Clause */
/* The owner's side of files in two processes: what it answers, what it does not believe, how long a
 * file stays open. The other side is here the test, with packets of its own making. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/depth.h"
#include "file/file.h"
#include "machine/launch.h"
#include "machine/machine.h"
#include "machine/session_create.h"
#include "machine/share.h"
#include "machine/share_msg.h"
#include "machine/share_priv.h"
#include "uapi/vfio.h"

#define BDF    "0000:01:00.0"
#define CONFIG ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)
#define ROUNDS 800

static struct session *session;
static struct uvfio_machine *machine;
static char base[] = "/tmp/uvfio-share-XXXXXX";
static struct file *container, *group, *device;
static int group_fd, device_fd, sock = -1, notes;
static struct share_msg answer;
static uint8_t payload[SHARE_PAYLOAD];
static int answer_fd;
static bool answering = true;

static struct file *open_file(const char *path)
{
	struct file *file = NULL;

	ck_assert_int_eq(machine_open(machine, path, O_RDWR, &file), 0);
	return file;
}

/* Whoever tells of pages waits for this. */
static void *answer_notes(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct share_note note;

	depth_enter();
	while (recv(fd, &note, sizeof(note), 0) == sizeof(note))
		send(fd, &note.seq, sizeof(note.seq), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static void connect_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct share_msg msg = { .magic = SHARE_MAGIC, .type = SHARE_HELLO };
	pthread_t thread;
	int pair[2];

	if (sock >= 0) {
		close(sock);
		shutdown(notes, SHUT_RDWR);
		close(notes);
	}
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" SHARE_SOCKET,
				  session_dir(session), getpid()),
			 0);
	ck_assert_int_eq(connect(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(share_send(sock, &msg, NULL, &pair[1], 1), 0);
	close(pair[1]);
	notes = pair[0];
	if (answering) {
		ck_assert_int_eq(
			pthread_create(&thread, NULL, answer_notes, (void *)(intptr_t)dup(notes)),
			0);
		pthread_detach(thread);
	}
}

static void setup(void)
{
	const char *name = BDF;
	struct description *desc;
	char err[512], path[256], link[256];
	ssize_t len;
	int32_t fd;

	ck_assert_ptr_nonnull(mkdtemp(base));
	setenv("UVFIO_DIR", base, 1);
	ck_assert_int_eq(description_create(&desc), 0);
	ck_assert_int_eq(description_add_device(desc, "nvme,size=1M,at=" BDF, err, sizeof(err)), 0);
	ck_assert_msg(machine_launch(desc, &session_identity_root, &session, &machine, err,
				     sizeof(err)) == 0,
		      "%s", err);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/" BDF "/iommu_group",
		 session_dir(session));
	len = readlink(path, link, sizeof(link) - 1);
	ck_assert_int_gt(len, 0);
	link[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	container = open_file("/dev/vfio/vfio");
	group = open_file(path);
	fd = file_install(file_get(container), O_RDWR);
	ck_assert_int_eq(file_ioctl(group, VFIO_GROUP_SET_CONTAINER, (unsigned long)&fd), 0);
	ck_assert_int_eq(file_ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	device_fd = (int)file_ioctl(group, VFIO_GROUP_GET_DEVICE_FD, (unsigned long)name);
	ck_assert_int_ge(device_fd, 0);
	device = file_from_fd(device_fd);
	group_fd = file_install(file_get(group), O_RDWR);
	ck_assert_int_ge(group_fd, 0);
	ck_assert_int_eq(share_send_file(machine, container), 0);
	ck_assert_int_eq(share_send_file(machine, group), 0);
	ck_assert_int_eq(share_send_file(machine, device), 0);
	connect_socket();
}

/* The threads of the machine go on to the end of the process. */
static void teardown(void)
{
	char command[128];

	session_remove(session);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	ck_assert_int_eq(system(command), 0);
}

/* Sends and waits for the answer; its value, or -EPIPE. */
static int64_t call_fds(struct share_msg *msg, const void *data, const int *fds, size_t nfds)
{
	int received[SHARE_FDS_ONCE], ret;
	size_t n;

	msg->magic = SHARE_MAGIC;
	ret = share_send(sock, msg, data, fds, nfds);
	if (!ret)
		ret = share_recv(sock, &answer, payload, sizeof(payload), received, &n);
	if (ret)
		return ret;
	answer_fd = n ? received[0] : -1;
	ck_assert_uint_eq(answer.type, SHARE_ANSWER);
	return answer.value;
}

static struct share_msg about(struct file *file, enum share_type type)
{
	return (struct share_msg){ .type = type, .dev = file_dev(file), .ino = file->id };
}

static int64_t ioctl_of(struct file *file, unsigned int cmd, const void *data, size_t len)
{
	struct share_msg msg = about(file, SHARE_IOCTL);

	msg.cmd = cmd;
	msg.len = (uint32_t)len;
	return call_fds(&msg, data, NULL, 0);
}

START_TEST(answers)
{
	struct vfio_device_info info = { .argsz = sizeof(info) }, got;
	struct share_msg msg = about(device, SHARE_OPEN);
	struct share_file file;
	uint32_t word;

	ck_assert_int_eq(call_fds(&msg, NULL, &device_fd, 1), 0);
	ck_assert_uint_eq(answer.len, sizeof(file));
	memcpy(&file, payload, sizeof(file));
	ck_assert_uint_eq(file.kind, FILE_DEVICE);
	ck_assert_uint_eq(file.mode, 0600);
	ck_assert_int_eq(ioctl_of(container, VFIO_GET_API_VERSION, NULL, 0), VFIO_API_VERSION);
	ck_assert_int_eq(ioctl_of(device, VFIO_DEVICE_GET_INFO, &info, sizeof(info)), 0);
	memcpy(&got, payload, MIN(answer.len, sizeof(got)));
	ck_assert_uint_eq(got.num_regions, VFIO_PCI_NUM_REGIONS);
	msg = about(device, SHARE_READ);
	msg.off = CONFIG;
	msg.value = sizeof(word);
	ck_assert_int_eq(call_fds(&msg, NULL, NULL, 0), sizeof(word));
	memcpy(&word, payload, sizeof(word));
	ck_assert_uint_eq(word & 0xffff, 0x1b36);
	ck_assert_int_eq(ioctl_of(group, VFIO_GROUP_GET_DEVICE_FD, BDF, sizeof(BDF)), 0);
	ck_assert_int_ge(answer_fd, 0);
	close(answer_fd);
}
END_TEST

/* A number is not enough: of what nobody was given nobody is served. */
START_TEST(not_sent)
{
	struct file *other = open_file("/dev/vfio/vfio");
	int fd = file_install(file_get(other), O_RDWR);
	struct share_msg msg = about(other, SHARE_OPEN);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl_of(other, VFIO_GET_API_VERSION, NULL, 0), -ENODEV);
	/* Who shows an fd of it may. */
	ck_assert_int_eq(call_fds(&msg, NULL, &fd, 1), 0);
	ck_assert_int_eq(ioctl_of(other, VFIO_GET_API_VERSION, NULL, 0), VFIO_API_VERSION);
	file_put(other);
}
END_TEST

/* What is missing in a packet is not there; numbers are of the packet's fds or none. */
START_TEST(arguments)
{
	uint8_t buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	struct vfio_irq_set set = { .argsz = sizeof(buf),
				    .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					     VFIO_IRQ_SET_ACTION_TRIGGER,
				    .index = VFIO_PCI_MSIX_IRQ_INDEX,
				    .count = 1 };
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = 3,
						.vaddr = (uintptr_t)payload & HOST_PAGE_MASK,
						.size = HOST_PAGE_SIZE };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct share_msg msg = about(device, SHARE_IOCTL);
	int32_t number = 0;
	int fd = eventfd(0, EFD_CLOEXEC);

	ck_assert_int_eq(ioctl_of(device, VFIO_DEVICE_GET_INFO, &info, 3), -EFAULT);
	ck_assert_int_eq(ioctl_of(device, VFIO_DEVICE_GET_INFO, NULL, 0), -EFAULT);
	ck_assert_int_eq(ioctl_of(group, VFIO_GROUP_GET_DEVICE_FD, "0000:01", 7), -EFAULT);
	ck_assert_int_eq(ioctl_of(container, VFIO_IOMMU_MAP_DMA, &map, sizeof(map)), -EFAULT);
	ck_assert_int_eq(ioctl_of(device, 0x12345678, buf, sizeof(buf)), -ENOTTY);
	memcpy(buf, &set, sizeof(set));
	memcpy(buf + sizeof(set), &number, sizeof(number));
	/* fd 0 of this process is none of the packet's. */
	ck_assert_int_eq(ioctl_of(device, VFIO_DEVICE_SET_IRQS, buf, sizeof(buf)), -EBADF);
	msg.cmd = VFIO_DEVICE_SET_IRQS;
	msg.len = sizeof(buf);
	ck_assert_int_eq(call_fds(&msg, buf, &fd, 1), 0);
	close(fd);
}
END_TEST

START_TEST(pages)
{
	struct share_msg msg = about(device, SHARE_MMAP);
	struct share_note note;
	uint16_t command = 2;
	uint32_t seq;

	answering = false;
	connect_socket();
	/* Accesses of what may not be mapped, or not so. */
	msg.type = SHARE_LOAD;
	msg.width = 4;
	msg.off = CONFIG;
	ck_assert_int_eq(call_fds(&msg, NULL, NULL, 0), 0);
	ck_assert_int_eq(answer.len, sizeof(uint64_t));
	msg.type = SHARE_STORE;
	ck_assert_int_lt(call_fds(&msg, NULL, NULL, 0), 0);
	msg.off = UINT64_MAX - 3;
	ck_assert_int_lt(call_fds(&msg, NULL, NULL, 0), 0);
	msg.off = 2;
	ck_assert_int_eq(call_fds(&msg, NULL, NULL, 0), -EINVAL);
	msg.width = 3;
	ck_assert_int_eq(call_fds(&msg, NULL, NULL, 0), -EINVAL);
	msg = about(device, SHARE_MMAP);
	msg.value = 8192;
	msg.cmd = PROT_READ | PROT_WRITE;
	msg.width = MAP_SHARED;
	msg.off = 1;
	ck_assert_int_eq(call_fds(&msg, NULL, NULL, 0), -EINVAL);
	msg.off = 0;
	msg.value = -4096;
	ck_assert_int_eq(call_fds(&msg, NULL, NULL, 0), -EINVAL);
	/* Memory is off: told before the answer is there. Nobody answers, and it goes on. */
	msg.value = 4096;
	command = 0;
	ck_assert_int_eq(file_pwrite(device, (uintptr_t)&command, 2, CONFIG + 4), 2);
	ck_assert_int_eq(call_fds(&msg, NULL, NULL, 0), 0);
	ck_assert_int_eq(recv(notes, &note, sizeof(note), MSG_DONTWAIT), sizeof(note));
	ck_assert_uint_eq(note.access, PAGE_REVOKED);
	ck_assert_uint_eq(note.ino, device->id);
	seq = note.seq - 1; /* not this one's */
	ck_assert_int_eq(send(notes, &seq, sizeof(seq), 0), sizeof(seq));
	command = 2;
	ck_assert_int_eq(file_pwrite(device, (uintptr_t)&command, 2, CONFIG + 4), 2);
	ck_assert_int_eq(recv(notes, &note, sizeof(note), 0), sizeof(note));
	ck_assert_uint_ne(note.access, PAGE_REVOKED);
}
END_TEST

/* The other end has said what it must not: the connection is over, the next one works. */
START_TEST(what_is_no_packet)
{
	struct share_msg msg = about(device, SHARE_READ);
	char byte;

	for (int i = 0; i < 4; i++) {
		msg.magic = i == 0 ? 1 : SHARE_MAGIC;
		msg.len = i == 1 ? 8 : i == 2 ? UINT32_MAX : 0;
		ck_assert_int_gt(send(sock, &msg, i == 3 ? 20 : sizeof(msg), MSG_NOSIGNAL), 0);
		ck_assert_int_eq(recv(sock, &byte, 1, 0), 0);
		connect_socket();
	}
	ck_assert_int_eq(ioctl_of(container, VFIO_GET_API_VERSION, NULL, 0), VFIO_API_VERSION);
}
END_TEST

static unsigned int seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

/* A number that is likely to be at a border. */
static uint64_t odd_number(void)
{
	static const uint64_t numbers[] = {
		0,
		1,
		2,
		4,
		8,
		64,
		0xfff,
		0x1000,
		0x1001,
		0x2000,
		1ULL << 40,
		CONFIG,
		CONFIG + 4,
		SHARE_PAYLOAD,
		SHARE_PAYLOAD + 1,
		INT32_MAX,
		UINT32_MAX,
		INT64_MAX,
		UINT64_MAX,
		UINT64_MAX - 0xfff,
	};

	return any(4) ? numbers[any(ARRAY_SIZE(numbers))] : (uint64_t)any(1 << 20) << any(44);
}

static void random_packet(void)
{
	static uint8_t data[SHARE_PAYLOAD];
	struct file *const files[] = { container, group, device, device };
	struct share_msg msg = about(files[any(4)], (enum share_type)any(SHARE_ANSWER + 2));
	int fds[] = { device_fd, group_fd, 0, notes };
	size_t len = any(3) ? any(128) : any(SHARE_PAYLOAD);
	uint32_t argsz = any(200);

	msg.magic = SHARE_MAGIC;
	/* The commands of all kinds of files; RESET and CLOSED take their time. */
	msg.cmd = any(8) ? (unsigned int)_IO(VFIO_TYPE, VFIO_BASE + any(20)) : any(UINT32_MAX);
	msg.width = any(2) ? 1u << any(5) : (uint32_t)odd_number();
	msg.off = odd_number();
	msg.value = (int64_t)odd_number();
	if (msg.type == SHARE_FDS || msg.cmd == VFIO_DEVICE_RESET)
		return;
	for (size_t i = 0; i < len; i++)
		data[i] = any(3) ? 0 : (uint8_t)any(256);
	memcpy(data, &argsz, sizeof(argsz));
	msg.len = (uint32_t)len;
	if (share_send(sock, &msg, data, fds, any(5)))
		connect_socket();
}

/* The next answers are read, so that neither side waits for room; when there are none, the
 * connection may have ended. */
static void drain(void)
{
	int fds[SHARE_FDS_ONCE];
	struct pollfd readable = { .fd = sock, .events = POLLIN };
	size_t n;

	while (poll(&readable, 1, 1) == 1) {
		if (share_recv(sock, &answer, payload, sizeof(payload), fds, &n)) {
			connect_socket();
			return;
		}
		while (n)
			close(fds[--n]);
	}
}

START_TEST(nonsense)
{
	for (int i = 0; i < ROUNDS; i++) {
		random_packet();
		drain();
	}
	connect_socket();
	ck_assert_int_eq(ioctl_of(container, VFIO_GET_API_VERSION, NULL, 0), VFIO_API_VERSION);
}
END_TEST

/* Mappings of a file of this process. */
static unsigned int mappings_of(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int count = 0;
	char line[512];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, name) != NULL;
	fclose(maps);
	return count;
}

/* MAP_DMA of a page of @fd's. */
static int64_t map_memory(int fd, uint64_t iova)
{
	struct {
		struct vfio_iommu_type1_dma_map map;
		struct share_segment segment;
	} arg = { .map = { .argsz = sizeof(arg.map),
			   .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			   .iova = iova,
			   .size = HOST_PAGE_SIZE },
		  .segment = { .len = HOST_PAGE_SIZE, .dev = 1, .ino = 1, .writable = 1 } };
	struct share_msg msg = about(container, SHARE_IOCTL);

	msg.cmd = VFIO_IOMMU_MAP_DMA;
	msg.len = sizeof(arg);
	return call_fds(&msg, &arg, &fd, 1);
}

static int64_t unmap_memory(uint32_t flags, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .flags = flags, .iova = iova, .size = size
	};

	return ioctl_of(container, VFIO_IOMMU_UNMAP_DMA, &unmap, sizeof(unmap));
}

/* The other process' memory is here exactly as long as a device reaches it. */
START_TEST(memory)
{
	int fd = memfd_create("uvfio-their-memory", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, HOST_PAGE_SIZE), 0);
	ck_assert_int_eq(map_memory(fd, 0x100000), 0);
	ck_assert_uint_eq(mappings_of("uvfio-their-memory"), 1);
	/* More than was mapped, from below it on. */
	ck_assert_int_eq(unmap_memory(0, 0, 0x200000), 0);
	ck_assert_uint_eq(mappings_of("uvfio-their-memory"), 0);
	ck_assert_int_eq(map_memory(fd, 0x100000), 0);
	ck_assert_int_eq(unmap_memory(VFIO_DMA_UNMAP_FLAG_VADDR, 0x100000, HOST_PAGE_SIZE), 0);
	ck_assert_uint_eq(mappings_of("uvfio-their-memory"), 1);
	ck_assert_int_eq(unmap_memory(VFIO_DMA_UNMAP_FLAG_ALL, 0, 0), 0);
	ck_assert_uint_eq(mappings_of("uvfio-their-memory"), 0);
	close(fd);
}
END_TEST

/* What is mapped for reading alone gives no fd for what is written. */
START_TEST(described)
{
	struct share_segment segments[SHARE_SEGMENTS];
	int fd = memfd_create("uvfio-two-ways", MFD_CLOEXEC), fds[SHARE_FDS_ONCE];
	uint8_t *at = mmap(NULL, 2 * HOST_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	size_t n;

	ck_assert_ptr_ne(at, MAP_FAILED);
	ck_assert_int_eq(mprotect(at + HOST_PAGE_SIZE, HOST_PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(share_describe((uintptr_t)at, 2 * HOST_PAGE_SIZE, segments), 2);
	n = share_describe_fds((uintptr_t)at, segments, 2, fds);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(fcntl(fds[segments[0].fd], F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(fcntl(fds[segments[1].fd], F_GETFL) & O_ACCMODE, O_RDWR);
	while (n)
		close(fds[--n]);
	close(fd);
}
END_TEST

/* fds of which this process' library knows nothing stand for another's. */
START_TEST(as_long_as_anybody_has_it)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = fcntl(device_fd, F_DUPFD_CLOEXEC, 0);
	const uint64_t ino = device->id;
	const dev_t dev = file_dev(device);
	struct rlimit limit, none = { .rlim_cur = 0 };
	struct file *again = NULL;

	file_fd_close(device_fd);
	close(device_fd);
	file_fd_close(group_fd);
	close(group_fd);
	file_put(device);
	file_put(group);
	share_sweep(machine);
	/* A process without a free number cannot ask who has it. */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	share_sweep(machine);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	again = file_from_identity(dev, ino);
	ck_assert_ptr_nonnull(again);
	device = again;
	ck_assert_int_eq(ioctl_of(device, VFIO_DEVICE_GET_INFO, &info, sizeof(info)), 0);
	file_put(again);
	close(fd);
	for (int i = 0; i < 6000; i++) {
		again = file_from_identity(dev, ino);
		if (!again)
			break;
		file_put(again);
		usleep(10000);
	}
	ck_assert_ptr_null(again);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share");
	TCase *tcase = tcase_create("owner");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, answers);
	tcase_add_test(tcase, not_sent);
	tcase_add_test(tcase, arguments);
	tcase_add_test(tcase, pages);
	tcase_add_test(tcase, what_is_no_packet);
	tcase_add_test(tcase, nonsense);
	tcase_add_test(tcase, memory);
	tcase_add_test(tcase, described);
	tcase_add_test(tcase, as_long_as_anybody_has_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
