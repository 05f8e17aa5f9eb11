/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO's file descriptors in two processes, as a privileged broker and its worker have them: the
 * broker opens, the worker gets descriptors over a socket and drives an NVMe controller with them.
 * Neither knows of uvfio.
 *
 *   shared_fd MODE [BDF]
 *
 * starts both and says how they ended. The modes are in the table at the end. Sections are those of
 * NVM Express 1.4.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "shared_fd.h"

#define HEIR_CONTAINER 20
#define HEIR_DEVICE    21

static const char *program;
static int sock, other_sock;

/* ---- messages -------------------------------------------------------------------------------- */

static void send_fds(const int *fds, int n)
{
	char byte = 'f', control[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	expect(sendmsg(sock, &msg, 0) == 1);
}

/* With recvmmsg() in some modes. */
static void recv_fds(int *fds, int n)
{
	char byte, control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	m.msg_hdr.msg_control = control;
	m.msg_hdr.msg_controllen = sizeof(control);
	if (!strcmp(mode, "group"))
		expect(recvmmsg(sock, &m, 1, 0, NULL) == 1 && m.msg_len == 1);
	else
		expect(recvmsg(sock, &m.msg_hdr, MSG_CMSG_CLOEXEC) == 1);
	expect(cmsg->cmsg_len == CMSG_LEN(n * sizeof(int)));
	memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));
}

static void say(char what)
{
	expect(send(sock, &what, 1, MSG_NOSIGNAL) == 1);
}

static void hear(char what)
{
	char got = 0;

	expect(recv(sock, &got, 1, 0) == 1 && got == what);
}

/* ---- the worker's parts ---------------------------------------------------------------------- */

static void check_queries(void)
{
	void *volatile nowhere = (void *)8;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	struct vfio_iommu_type1_info iommu = { .argsz = sizeof(iommu) };
	struct vfio_region_info *region = calloc(1, 4096);
	struct stat st;
	uint32_t word;

	expect(!ioctl(device, VFIO_DEVICE_GET_INFO, &info));
	expect(info.flags & VFIO_DEVICE_FLAGS_PCI && info.num_regions == VFIO_PCI_NUM_REGIONS);
	expect(!ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &irq) && irq.count > 1);
	region->argsz = 4096;
	expect(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, region));
	expect(region->flags & VFIO_REGION_INFO_FLAG_CAPS && region->cap_offset);
	free(region);
	info.argsz = 4;
	expect_error(ioctl(device, VFIO_DEVICE_GET_INFO, &info), EINVAL);
	expect_error(ioctl(device, VFIO_DEVICE_GET_INFO, NULL), EFAULT);
	expect_error(ioctl(device, VFIO_DEVICE_GET_INFO, -1L), EFAULT);
	expect_error(ioctl(device, VFIO_GROUP_GET_STATUS, &info), ENOTTY);
	expect_error(lseek(device, 0, SEEK_SET), ESPIPE);
	expect_error(pread(device, nowhere, 4, CONFIG), EFAULT);
	expect_error(pread(device, &word, 4, (off_t)100 << 40), EINVAL);
	expect(!fstat(device, &st) && (st.st_mode & 07777) == 0600);
	expect((fcntl(device, F_GETFL) & O_ACCMODE) == O_RDWR);
	expect(ioctl(container, VFIO_GET_API_VERSION) == VFIO_API_VERSION);
	expect(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) == 1);
	expect(!ioctl(container, VFIO_IOMMU_GET_INFO, &iommu));
	expect(iommu.flags & VFIO_IOMMU_INFO_PGSIZES && iommu.iova_pgsizes & PAGE);
}

/* The number of another copy is as good, and the first may go. */
static void check_dup(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int copy = dup(device), other = fcntl(device, F_DUPFD_CLOEXEC, 100);

	expect(copy >= 0 && other >= 100);
	expect(!ioctl(copy, VFIO_DEVICE_GET_INFO, &info));
	close(device);
	expect(!ioctl(other, VFIO_DEVICE_GET_INFO, &info));
	close(other);
	expect_error(ioctl(other, VFIO_DEVICE_GET_INFO, &info), EBADF);
	device = copy;
	expect(!ioctl(device, VFIO_DEVICE_RESET));
}

static void worker_device(void)
{
	int fds[2];

	recv_fds(fds, 2);
	container = fds[0];
	device = fds[1];
	check_queries();
	check_dup();
	make_memory();
	drive(500);
	say('d');
}

/* The group's descriptor goes along as the proof of who owns the device. */
static void check_hot_reset(void)
{
	uint8_t buf[sizeof(struct vfio_pci_hot_reset) + sizeof(int32_t)];
	struct vfio_pci_hot_reset *reset = (struct vfio_pci_hot_reset *)buf;
	struct vfio_pci_hot_reset_info info = { .argsz = sizeof(info) };

	expect_error(ioctl(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info), ENOSPC);
	expect(info.count == 1);
	memset(buf, 0, sizeof(buf));
	reset->argsz = sizeof(buf);
	reset->count = 1;
	memcpy(reset->group_fds, &container, sizeof(container));
	expect_error(ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, reset), EINVAL);
	memcpy(reset->group_fds, &group, sizeof(group));
	expect(!ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, reset));
}

/* The answer's fd finds no number. */
static void check_full_table(void)
{
	struct rlimit old, low;
	int next = dup(0);

	expect(next > 0 && !close(next) && !getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = next;
	expect(!setrlimit(RLIMIT_NOFILE, &low));
	expect_error(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf), EMFILE);
	expect(!setrlimit(RLIMIT_NOFILE, &old));
}

static void worker_group(void)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int fds[2], other;

	recv_fds(fds, 2);
	container = fds[0];
	group = fds[1];
	expect_error(open_group(), EBUSY);
	expect(!ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	expect(status.flags == (VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET));
	expect_error(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:77:00.0"), ENODEV);
	expect_error(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), EINVAL);
	check_full_table();
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	expect(device >= 0 && fcntl(device, F_GETFD) == FD_CLOEXEC);
	other = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	expect(other > device);
	check_queries();
	expect_error(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), EBUSY);
	close(other);
	check_hot_reset();
	make_memory();
	drive(100);
	munmap((void *)bar, 4 * PAGE);
	close(device);
	expect(!ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	expect(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	expect(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	say('d');
}

/* The broker has closed its own before these have arrived. */
static void worker_closed(void)
{
	char byte;

	expect(recv(other_sock, &byte, 1, 0) == 1);
	worker_device();
	/* The mapping alone keeps the device open. */
	close(device);
	close(container);
	expect_error(open_group(), EBUSY);
	expect(reg_read(REG_VS) >> 16 == 1);
	expect(!munmap((void *)bar, 4 * PAGE));
	say('g');
	hear('o');
}

static void worker_owner_killed(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t word;

	worker_device();
	for (int i = 0; i < 6000 && reg_read(REG_VS) != ~0U; i++)
		usleep(10000);
	expect(reg_read(REG_VS) == ~0U);
	reg_write(REG_CC, 0);
	expect_error(ioctl(device, VFIO_DEVICE_GET_INFO, &info), ENODEV);
	expect_error(ioctl(container, VFIO_GET_API_VERSION), ENODEV);
	expect_error(pread(device, &word, 4, CONFIG), ENODEV);
	expect(bar ==
	       mmap((void *)bar, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	close(device);
	close(container);
	/* The device is free for this process now. */
	group = open_group_eventually();
	expect(group >= 0);
}

static void worker_killed(void)
{
	worker_device();
	raise(SIGKILL);
}

static void worker_private(void)
{
	int fds[2];
	void *at = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	recv_fds(fds, 2);
	container = fds[0];
	device = fds[1];
	expect_error(map_dma(at, MEMORY, IOVA), EOPNOTSUPP);
	expect_error(map_dma(at, 5, IOVA), EINVAL);
	munmap(at, MEMORY);
	expect_error(map_dma(at, MEMORY, IOVA), EFAULT);
	/* Another child's, too, when it shares them. */
	make_memory();
	expect(!map_dma(memory, PAGE, IOVA));
	expect(!map_dma(memory + 4 * PAGE, 2 * PAGE, IOVA + PAGE));
	expect(!unmap_dma(IOVA, 3 * PAGE));
	say('d');
}

static sigjmp_buf jump;

static void on_sigbus(int sig)
{
	siglongjmp(jump, sig);
}

static int touch(void)
{
	int sig = sigsetjmp(jump, 1);

	return sig ? sig : (reg_read(REG_VS), 0);
}

static void worker_revoked(void)
{
	int fds[2];

	signal(SIGBUS, on_sigbus);
	recv_fds(fds, 2);
	container = fds[0];
	device = fds[1];
	map_bar();
	expect(touch() == 0);
	say('m');
	hear('r');
	expect(touch() == SIGBUS);
	set_command(2, true);
	expect(touch() == 0);
	set_command(2, false);
	expect(touch() == SIGBUS);
	set_command(2, true);
	expect(!ioctl(device, VFIO_DEVICE_RESET));
	expect(touch() == 0);
	say('d');
}

static volatile int alarms;

static void on_alarm(int sig)
{
	int saved = errno;

	if (reg_read(REG_VS) >> 16 == 1)
		alarms++;
	reg_write(REG_INTMS, 0);
	errno = saved;
}

/* A handler that interrupts a command has the registers as well. */
static void worker_handler(void)
{
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int fds[2];

	recv_fds(fds, 2);
	container = fds[0];
	device = fds[1];
	map_bar();
	expect(!sigaction(SIGALRM, &action, NULL) && !setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; i < 100000 && alarms < 100; i++)
		expect(!ioctl(device, VFIO_DEVICE_GET_INFO, &info));
	expect(!setitimer(ITIMER_REAL, &never, NULL) && alarms >= 100);
	make_memory();
	drive(20);
	say('d');
}

/* The child of a worker has nothing, and takes nothing along when it ends. */
static void worker_fork(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int status;
	pid_t pid;

	worker_device();
	pid = fork();
	expect(pid >= 0);
	if (!pid) {
		expect_error(ioctl(device, VFIO_DEVICE_GET_INFO, &info), EIO);
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid && !status);
	expect(!ioctl(device, VFIO_DEVICE_GET_INFO, &info));
	expect(reg_read(REG_VS) >> 16 == 1);
	say('f');
}

/* ---- the broker's parts ---------------------------------------------------------------------- */

static void send_device(void)
{
	open_files(true);
	send_fds((int[]){ container, device }, 2);
}

/* Nobody has it any more: this process may open everything again, and use it. */
static void use_again(void)
{
	open_files(true);
	make_memory();
	drive(20);
}

static void broker_device(void)
{
	send_device();
	hear('d');
	/* It is open here all the same. */
	make_memory();
	drive(50);
}

static void broker_group(void)
{
	open_files(false);
	send_fds((int[]){ container, group }, 2);
	hear('d');
	expect((device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf)) >= 0);
	make_memory();
	drive(50);
}

static void broker_closed(void)
{
	open_files(true);
	send_fds((int[]){ container, device }, 2);
	close(device);
	close(group);
	close(container);
	expect_error(open_group(), EBUSY);
	expect(send(other_sock, "c", 1, MSG_NOSIGNAL) == 1);
	hear('d');
	hear('g');
	group = open_group_eventually();
	expect(group >= 0);
	close(group);
	use_again();
	say('o');
}

/* A child of the broker has the descriptors, too, and lives as long as the worker; it counts for
 * nothing. */
static void broker_owner_killed(void)
{
	char byte;

	send_device();
	hear('d');
	if (!fork())
		_exit(recv(other_sock, &byte, 1, 0) != 0);
	raise(SIGKILL);
}

static void broker_worker_killed(void)
{
	char byte;

	send_device();
	hear('d');
	expect(recv(sock, &byte, 1, 0) == 0);
	make_memory();
	drive(20);
	munmap((void *)bar, 4 * PAGE);
	close(device);
	close(group);
	close(container);
	group = open_group_eventually();
	expect(group >= 0);
	close(group);
	use_again();
}

static void broker_until_d(void)
{
	send_device();
	hear('d');
}

static void broker_revoked(void)
{
	send_device();
	hear('m');
	set_command(2, false);
	say('r');
	hear('d');
}

static void broker_fork(void)
{
	send_device();
	hear('d');
	hear('f');
}

/* The worker takes them by itself; 's': it may not. */
static void broker_stolen(void)
{
	int numbers[3] = { getpid() };
	char byte;

	open_files(true);
	numbers[1] = container;
	numbers[2] = device;
	expect(send(sock, numbers, sizeof(numbers), MSG_NOSIGNAL) == sizeof(numbers));
	expect(recv(sock, &byte, 1, 0) == 1 && (byte == 'd' || byte == 's'));
}

static void worker_stolen(void)
{
	int numbers[3], process;

	expect(recv(sock, numbers, sizeof(numbers), 0) == sizeof(numbers));
	process = (int)syscall(SYS_pidfd_open, numbers[0], 0);
	container = (int)syscall(SYS_pidfd_getfd, process, numbers[1], 0);
	device = (int)syscall(SYS_pidfd_getfd, process, numbers[2], 0);
	if (device < 0) {
		printf("skipped: pidfd_getfd: %s\n", strerror(errno));
		say('s');
		return;
	}
	check_queries();
	make_memory();
	drive(20);
	say('d');
}

/* A child that is another program has them by their numbers. */
static void broker_inherited(void)
{
	int status;
	pid_t pid;

	open_files(true);
	expect(dup2(container, HEIR_CONTAINER) == HEIR_CONTAINER);
	expect(dup2(device, HEIR_DEVICE) == HEIR_DEVICE);
	pid = fork();
	expect(pid >= 0);
	if (!pid) {
		execl(program, program, mode, bdf, "heir", "-1", "-1", NULL);
		_exit(127);
	}
	expect(waitpid(pid, &status, 0) == pid && !status);
}

static void worker_inherited(void)
{
}

static void heir(void)
{
	container = HEIR_CONTAINER;
	device = HEIR_DEVICE;
	check_queries();
	make_memory();
	drive(20);
}

/* ---- both ------------------------------------------------------------------------------------ */

static const struct mode {
	const char *name;
	void (*broker)(void), (*worker)(void);
	bool kills_broker, kills_worker;
} modes[] = {
	{ "device", broker_device, worker_device, false, false },
	{ "group", broker_group, worker_group, false, false },
	{ "closed", broker_closed, worker_closed, false, false },
	{ "owner-killed", broker_owner_killed, worker_owner_killed, true, false },
	{ "worker-killed", broker_worker_killed, worker_killed, false, true },
	{ "private", broker_until_d, worker_private, false, false },
	{ "revoked", broker_revoked, worker_revoked, false, false },
	{ "handler", broker_until_d, worker_handler, false, false },
	{ "fork", broker_fork, worker_fork, false, false },
	{ "stolen", broker_stolen, worker_stolen, false, false },
	{ "inherited", broker_inherited, worker_inherited, false, false },
};

static pid_t start(const char *role, int fd, int other, char **argv)
{
	char number[16], other_number[16];
	pid_t pid = fork();

	if (pid)
		return pid;
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(other_number, sizeof(other_number), "%d", other);
	fcntl(fd, F_SETFD, 0);
	fcntl(other, F_SETFD, 0);
	execl(argv[0], argv[0], mode, bdf, role, number, other_number, NULL);
	_exit(127);
}

static bool ended_well(pid_t pid, bool killed, const char *who)
{
	int status;

	if (waitpid(pid, &status, 0) == pid && status == (killed ? SIGKILL : 0))
		return true;
	fprintf(stderr, "shared_fd %s: the %s ended with %#x\n", mode, who, status);
	return false;
}

int main(int argc, char **argv)
{
	const struct mode *m;
	size_t i;
	int pair[2], other[2];
	pid_t broker, worker;
	bool good;

	mode = argc > 1 ? argv[1] : "";
	if (argc > 2)
		bdf = argv[2];
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]) && strcmp(modes[i].name, mode); i++)
		;
	if (i == sizeof(modes) / sizeof(modes[0]))
		die("no such mode");
	m = &modes[i];
	if (argc > 5) {
		sock = atoi(argv[4]);
		other_sock = atoi(argv[5]);
		program = argv[0];
		if (!strcmp(argv[3], "heir"))
			heir();
		else
			(strcmp(argv[3], "broker") ? m->worker : m->broker)();
		return 0;
	}
	expect(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	expect(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, other));
	broker = start("broker", pair[0], other[0], argv);
	worker = start("worker", pair[1], other[1], argv);
	for (i = 0; i < 2; i++) {
		close(pair[i]);
		close(other[i]);
	}
	good = ended_well(broker, m->kills_broker, "broker");
	good &= ended_well(worker, m->kills_worker, "worker");
	return good ? 0 : 1;
}
