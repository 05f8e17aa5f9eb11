/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * uevent-listen HOW: listens to uevents as SPDK's hot-plug monitor does (the same calls in the same
 * order), prints "ready", then a line for each message of the kernel's: its action, subsystem,
 * PCI_SLOT_NAME and DRIVER. Ends when "stop" comes as an action's argument or after some seconds.
 *
 *   plain	in this process
 *   fork	in a forked child, the parent has closed its copy
 *   exec	in another program, which inherits the socket
 *   dup	through a duplicate, the first fd is closed
 *   epoll	with epoll, blocking reads by recvmsg
 *   both	as plain, and how many messages came from udev
 *   full	a small buffer that nobody reads until a byte comes on stdin
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 10

static int from_udev;

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_monitor(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 0xffffffff };
	int size = 1024 * 1024, got = 0, flags;
	int fd = socket(PF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	socklen_t len = sizeof(got);

	if (fd < 0)
		fail("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		fail("SO_RCVBUFFORCE");
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) || got < size)
		fail("SO_RCVBUF is too small");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		fail("O_NONBLOCK");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail("bind");
	return fd;
}

static const char *get(const char *msg, size_t len, const char *key)
{
	for (size_t at = 0; at < len; at += strlen(msg + at) + 1)
		if (!strncmp(msg + at, key, strlen(key)))
			return msg + at + strlen(key);
	return "-";
}

/* False: that was the last one. */
static bool print_message(const char *msg, size_t len)
{
	if (!strcmp(msg, "libudev")) {
		from_udev++;
		return true;
	}
	printf("%s %s %s %s\n", get(msg, len, "ACTION="), get(msg, len, "SUBSYSTEM="),
	       get(msg, len, "PCI_SLOT_NAME="), get(msg, len, "DRIVER="));
	fflush(stdout);
	return strcmp(get(msg, len, "SYNTH_ARG_STOP="), "1") != 0;
}

static int listen_poll(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char msg[4096] = "";

	while (poll(&poll_fd, 1, SECONDS * 1000) == 1) {
		ssize_t len = recv(fd, msg, sizeof(msg) - 1, MSG_DONTWAIT);

		if (len < 0)
			fail("recv");
		msg[len] = '\0';
		if (!print_message(msg, (size_t)len))
			return 0;
	}
	return 1;
}

static int listen_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	char msg[4096];

	fcntl(fd, F_SETFL, 0);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl");
	while (epoll_wait(epoll, &event, 1, SECONDS * 1000) == 1) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { msg, sizeof(msg) - 1 };
		struct msghdr hdr = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1 };
		/* The length first, as libudev asks for it. */
		ssize_t whole = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
		ssize_t len = recvmsg(fd, &hdr, 0);

		if (len < 0 || len != whole)
			fail("recvmsg");
		msg[len] = '\0';
		if (from.nl_family != AF_NETLINK ||
		    from.nl_groups != (strcmp(msg, "libudev") ? 1U : 2U) ||
		    (from.nl_groups == 1) != (from.nl_pid == 0))
			printf("sender %u %u %u\n", from.nl_family, from.nl_pid, from.nl_groups);
		if (!print_message(msg, (size_t)len))
			return 0;
	}
	return 1;
}

static int in_child(int fd)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(listen_poll(fd));
	close(fd);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int by_exec(int fd, char *self)
{
	char number[16], word[] = "inherited";
	char *argv[] = { self, word, number, NULL };

	snprintf(number, sizeof(number), "%d", fd);
	fflush(stdout);
	execv(self, argv);
	return fail("execv");
}

static int full(int fd)
{
	int size = 2048, told = 0, got = 0;
	char msg[4096];
	ssize_t len;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (read(STDIN_FILENO, msg, 1) != 1)
		return 1;
	for (;;) {
		len = recv(fd, msg, sizeof(msg), MSG_DONTWAIT);
		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0 && errno != ENOBUFS)
			fail("recv");
		if (len < 0)
			told++;
		else
			got++;
	}
	printf("told %d times, got %s\n", told, got ? "some" : "none");
	fflush(stdout);
	/* And it goes on. */
	size = 1 << 20;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return listen_poll(fd);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "plain";
	int fd, ret;

	if (!strcmp(how, "inherited"))
		return listen_poll(atoi(argv[2]));
	fd = open_monitor();
	if (!strcmp(how, "dup")) {
		int other = dup2(fd, 77);

		close(fd);
		fd = other;
	}
	printf("ready\n");
	fflush(stdout);
	if (!strcmp(how, "fork"))
		return in_child(fd);
	if (!strcmp(how, "exec"))
		return by_exec(fd, argv[0]);
	if (!strcmp(how, "epoll"))
		return listen_epoll(fd);
	if (!strcmp(how, "full"))
		return full(fd);
	ret = listen_poll(fd);
	if (!strcmp(how, "both"))
		printf("udev %d\n", from_udev);
	return ret;
}
