/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is told on a NETLINK_KOBJECT_UEVENT socket when devices are bound, unbound, removed and
 * found again, modules go and come, and something is written to `uevent`. Linked statically it
 * runs in the oracle, dynamically in a session; `compare` compares what the two print.
 *
 * Left out of the transcript: numbers that differ (group, port, minor), the subsystems that a
 * session does not have (wakeup, pci_express, slots), and the "change" that the kernel tells when a
 * wakeup ability is set. VFIO_BDFS and VFIO_GROUPS name the function; it is bound to vfio-pci.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed"

static int sock, quiet_msec;
static char bdf[13], group[16], port[16];
static unsigned long long last_seq;

/* ---- the transcript -------------------------------------------------------------------------- */

/* @text with names of the machine replaced by what they stand for. */
static void print_key(const char *text)
{
	char group_path[40], group_name[40];

	snprintf(group_path, sizeof(group_path), "/virtual/vfio/%s", group);
	snprintf(group_name, sizeof(group_name), "DEVNAME=vfio/%s", group);
	if (!strcmp(text, group_name)) {
		printf("    DEVNAME=vfio/GROUP\n");
		return;
	}
	printf("    ");
	while (*text) {
		size_t len = strlen(port);

		if (len && !strncmp(text, port, len)) {
			printf("PORT");
			text += len;
		} else if (!strcmp(text, group_path)) {
			printf("/virtual/vfio/GROUP");
			break;
		} else {
			putchar(*text++);
		}
	}
	putchar('\n');
}

static const char *get(const char *msg, size_t len, const char *key)
{
	for (size_t at = 0; at < len; at += strlen(msg + at) + 1)
		if (!strncmp(msg + at, key, strlen(key)))
			return msg + at + strlen(key);
	return NULL;
}

static bool left_out(const char *msg, size_t len)
{
	static const char *const subsystems[] = { "wakeup", "pci_express", "slots" };
	const char *subsystem = get(msg, len, "SUBSYSTEM=");

	for (size_t i = 0; i < sizeof(subsystems) / sizeof(subsystems[0]); i++)
		if (subsystem && !strcmp(subsystem, subsystems[i]))
			return true;
	return !strncmp(msg, "change@", 7) && !get(msg, len, "SYNTH_UUID=");
}

/* Whether each number is greater than the one before. */
static const char *judge_seq(const char *text)
{
	unsigned long long seq = strtoull(text, NULL, 10);
	const char *verdict = seq > last_seq ? "rising" : "WRONG";

	last_seq = seq;
	return verdict;
}

static void print_message(const struct msghdr *hdr, const char *msg, size_t len)
{
	const struct sockaddr_nl *from = hdr->msg_name;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr);
	const char *seq = get(msg, len, "SEQNUM=");

	if (left_out(msg, len)) {
		last_seq = seq ? strtoull(seq, NULL, 10) : last_seq;
		return;
	}
	printf("  from %u/%u/%u flags %x", from->nl_family, from->nl_pid, from->nl_groups,
	       (unsigned int)hdr->msg_flags);
	if (cmsg && cmsg->cmsg_type == SCM_CREDENTIALS) {
		struct ucred cred;

		memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
		printf(" cred %d/%u/%u", cred.pid, cred.uid, cred.gid);
	}
	putchar('\n');
	for (size_t at = 0; at < len; at += strlen(msg + at) + 1) {
		if (!strncmp(msg + at, "SEQNUM=", 7))
			printf("    SEQNUM %s\n", judge_seq(msg + at + 7));
		else if (strncmp(msg + at, "MINOR=", 6))
			print_key(msg + at);
	}
}

/* All that comes until nothing has come for some time. */
static void drain(void)
{
	struct pollfd fd = { .fd = sock, .events = POLLIN };
	char msg[8192], control[256];
	struct sockaddr_nl from;

	while (poll(&fd, 1, quiet_msec) > 0) {
		struct iovec iov = { msg, sizeof(msg) - 1 };
		struct msghdr hdr = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t len = recvmsg(sock, &hdr, 0);

		if (len < 0) {
			printf("  recvmsg: %s\n", strerror(errno));
			continue;
		}
		msg[len] = '\0';
		print_message(&hdr, msg, (size_t)len);
	}
	fflush(stdout);
}

/* ---- what is done ---------------------------------------------------------------------------- */

static void store(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t len;

	printf("== ");
	for (const char *p = path; *p; p++) {
		if (!strncmp(p, bdf, 12)) {
			printf("BDF");
			p += 11;
		} else if (port[0] && !strncmp(p, port, 12)) {
			printf("PORT");
			p += 11;
		} else {
			putchar(*p);
		}
	}
	printf(" \"");
	for (const char *p = text; *p && p < text + 60; p++)
		printf(*p == '\n' ? "\\n" : "%c", *p);
	printf("\"%s\n", strlen(text) > 60 ? "..." : "");
	if (fd < 0) {
		printf("  open: %s\n", strerror(errno));
		return;
	}
	len = write(fd, text, strlen(text));
	if (len != (ssize_t)strlen(text))
		printf("  write: %s\n", len < 0 ? strerror(errno) : "short");
	close(fd);
	drain();
}

static void dev_store(const char *attr, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, attr);
	store(path, text);
}

static void actions(void)
{
	static const char *const texts[] = {
		"change",
		"add\n",
		"remove",
		"move",
		"online",
		"offline",
		"bind",
		"unbind",
		"nonsense",
		" change",
		"chang",
		"changex",
		"change\n\n",
		"change ",
		"change " UUID,
		"change " UUID "\n",
		"change " UUID " A=1 B=abc",
		"change " UUID " A=1 B=abc\n",
		"change FE4D7C9D-b8c6-4a70-9ef1-3d8a58d18eed A=1",
		"change " UUID " A",
		"change " UUID " A=",
		"change " UUID " =1",
		"change " UUID " A=a-b",
		"change " UUID " A_B=1",
		"change " UUID "  A=1",
		"change " UUID " A=1  B=2",
		"change " UUID " A=1 ",
		"change " UUID " ",
		"change fe4d7c9d",
		"change fe4d7c9db8c6-4a70-9ef1-3d8a58d18eed",
		"change xe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed",
		"change  " UUID,
		"change " UUID "x",
		"change\n" UUID,
		"add " UUID " 1a=2 A=1=2",
		"add " UUID " 1a=2",
	};
	char text[4096];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		dev_store("uevent", texts[i]);
	/* As many keys as there is room for, and too many for the parser and for the event. */
	for (int n = 40; n <= 70; n += 15) {
		size_t len = (size_t)sprintf(text, "change " UUID);

		for (int i = 0; i < n; i++)
			len += (size_t)sprintf(text + len, " K%d=%d", i, i);
		dev_store("uevent", text);
	}
	strcpy(text, "change " UUID " A=");
	memset(text + strlen(text), 'x', 2000);
	text[2047] = '\0';
	dev_store("uevent", text);
}

static void other_uevents(void)
{
	char path[64];

	store("/sys/bus/pci/drivers/vfio-pci/uevent", "change");
	store("/sys/bus/pci/uevent", "change");
	store("/sys/module/vfio_pci/uevent", "change");
	store("/sys/module/vfio/uevent", "add");
	snprintf(path, sizeof(path), "/sys/class/vfio/%s", group);
	if (chdir(path) == 0)
		store("uevent", "change");
	if (chdir("/"))
		printf("no root\n");
	store("/sys/class/misc/vfio/uevent", "change");
	store("/sys/class/misc/vfio/uevent", "nonsense");
	dev_store("vfio-dev/vfio0/uevent", "change");
	store("/sys/class/pci_bus/0000:01/uevent", "change");
	store("/sys/devices/pci0000:00/uevent", "change");
}

static void bindings(void)
{
	store("/sys/bus/pci/drivers_autoprobe", "0");
	store("/sys/bus/pci/drivers/vfio-pci/unbind", bdf);
	store("/sys/bus/pci/drivers/vfio-pci/bind", bdf);
	dev_store("remove", "1");
	store("/sys/bus/pci/rescan", "1");
	dev_store("driver_override", "vfio-pci");
	store("/sys/bus/pci/drivers_probe", bdf);
	dev_store("reset", "1");
	dev_store("driver_override", "\n");
	store("/sys/bus/pci/drivers/vfio-pci/unbind", bdf);
	store("/sys/bus/pci/drivers/vfio-pci/new_id", "1b36 0010");
	store("/sys/bus/pci/drivers/vfio-pci/remove_id", "1b36 0010");
}

static void port_goes(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", port);
	store("/sys/bus/pci/drivers_autoprobe", "1");
	store(path, "1");
	store("/sys/bus/pci/rescan", "1");
	dev_store("driver_override", "vfio-pci");
	store("/sys/bus/pci/drivers/vfio-pci/bind", bdf);
}

/* In the oracle modules are files. */
static bool in_oracle(void)
{
	return access("/modules", F_OK) == 0;
}

static void command(const char *format, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), format, name);
	if (system(text))
		printf("  %s failed\n", text);
}

static void unload(const char *name)
{
	printf("== unload %s\n", name);
	fflush(stdout);
	command("rmmod %s", name);
	drain();
}

static void load(const char *name, const char *more)
{
	const char *format = in_oracle() ? "insmod /modules/%s.ko" : "modprobe %s";

	printf("== load %s %s\n", name, more);
	fflush(stdout);
	command(format, name);
	if (more[0])
		command(format, more);
	drain();
}

static void modules(void)
{
	unload("vfio_pci");
	unload("vfio_pci_core");
	unload("vfio_iommu_type1");
	unload("vfio");
	/* modprobe of the first loads the second as well. */
	load("vfio", "vfio_iommu_type1");
	load("vfio_pci_core", "");
	load("vfio_pci", "");
}

/* More than the buffer holds: told once, then what was kept. */
static void overrun(void)
{
	int small = 2048, got = 0;
	char msg[4096], path[64];
	ssize_t len;

	printf("== overrun\n");
	setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/uevent", bdf);
	for (int i = 0; i < 20; i++) {
		int fd = open(path, O_WRONLY);

		if (write(fd, "change", 6) != 6)
			printf("  write: %s\n", strerror(errno));
		close(fd);
	}
	len = recv(sock, msg, sizeof(msg), MSG_DONTWAIT);
	printf("  first: %s\n", len < 0 ? strerror(errno) : "a message");
	while (recv(sock, msg, sizeof(msg), MSG_DONTWAIT) > 0)
		got++;
	printf("  then %s, and %s\n", got && got < 20 ? "some messages" : "WRONG", strerror(errno));
	dev_store("uevent", "change");
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void open_socket(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	socklen_t len = sizeof(addr);
	int on = 1, value, second;

	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	printf("socket %s\n", sock < 0 ? strerror(errno) : "ok");
	printf("stream %d", socket(AF_NETLINK, SOCK_STREAM, NETLINK_KOBJECT_UEVENT));
	printf(" %s\n", strerror(errno));
	setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	printf("bind short %d", bind(sock, (struct sockaddr *)&addr, 8));
	printf(" %s\n", strerror(errno));
	printf("bind %d\n", bind(sock, (struct sockaddr *)&addr, sizeof(addr)));
	addr.nl_pid = 77;
	printf("again %d", bind(sock, (struct sockaddr *)&addr, sizeof(addr)));
	printf(" %s\n", strerror(errno));
	getsockname(sock, (struct sockaddr *)&addr, &len);
	printf("name %u/%s/%u len %u\n", addr.nl_family,
	       addr.nl_pid == (unsigned int)getpid() ? "pid" : "other", addr.nl_groups, len);
	second = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	addr.nl_pid = (unsigned int)getpid();
	printf("taken %d", bind(second, (struct sockaddr *)&addr, sizeof(addr)));
	printf(" %s\n", strerror(errno));
	addr.nl_pid = 0;
	printf("second %d\n", bind(second, (struct sockaddr *)&addr, sizeof(addr)));
	getsockname(second, (struct sockaddr *)&addr, &len);
	printf("name %s\n", (int)addr.nl_pid < 0 ? "negative" : "pid");
	static const int options[] = { SO_TYPE, SO_DOMAIN, SO_PROTOCOL };

	for (int i = 0; i < 3; i++) {
		len = sizeof(value);
		getsockopt(second, SOL_SOCKET, options[i], &value, &len);
		printf("option %d: %d\n", i, value);
	}
	value = 1000;
	setsockopt(second, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value));
	getsockopt(second, SOL_SOCKET, SO_RCVBUF, &value, &len);
	printf("least buffer %d\n", value);
	value = 33;
	printf("group 33: %d", setsockopt(second, 270, NETLINK_ADD_MEMBERSHIP, &value, 4));
	printf(" %s\n", strerror(errno));
	value = 2;
	printf("group 2: %d\n", setsockopt(second, 270, NETLINK_ADD_MEMBERSHIP, &value, 4));
	len = sizeof(addr);
	getsockname(second, (struct sockaddr *)&addr, &len);
	printf("groups %x\n", addr.nl_groups);
	close(second);
}

static void find_names(void)
{
	char path[64], target[512];
	ssize_t len;

	snprintf(bdf, sizeof(bdf), "%.12s", getenv("VFIO_BDFS"));
	snprintf(group, sizeof(group), "%.*s", (int)strcspn(getenv("VFIO_GROUPS"), " "),
		 getenv("VFIO_GROUPS"));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	if (len > 26)
		snprintf(port, sizeof(port), "%.12s", target + len - 25);
	quiet_msec = getenv("QUIET_MSEC") ? atoi(getenv("QUIET_MSEC")) : 400;
}

int main(void)
{
	find_names();
	/* The driver for the function, which the oracle has not: it would take what is found. */
	if (!in_oracle())
		command("rmmod %s", "nvme");
	open_socket();
	actions();
	other_uevents();
	bindings();
	port_goes();
	modules();
	overrun();
	return 0;
}
