/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net=tap:NAME: the other end of the card's wire is a station of this file's, whose port writes
 * what it receives to the tap device; a thread reads the device and transmits.
 *
 * The pump runs in the first process that opens the card. When that dies, the port's thread of
 * another one that has the card open takes over (port_thread.c).
 *
 * Flow control: a card that takes no frames stops the reading thread; a tap device whose queue is
 * full drops, as the kernel's does, and never makes a card wait.
 */
#include "net/tap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"
#include "net/pcap_priv.h"

#define TUN_PATH "/dev/net/tun"
/* How many frames are read before the lock is given away. */
#define READ_BUDGET 64

struct net_tap {
	int fd, wake; /* of the device; an eventfd that ends the reader's sleep */
	pthread_mutex_t lock;
	struct net_port *port;
	pthread_t reader;
	bool has_reader;
	atomic_bool stop;
	/* Guarded by the lock. */
	uint8_t frame[NET_FRAME_MAX];
	size_t pending; /* bytes in @frame that could not be sent yet */
};

/* ---- the device ------------------------------------------------------------------------------ */

static int no_tun(const struct net_config *config, int error, char *err, size_t err_size)
{
	const char *why = "it cannot be opened";

	if (error == ENOENT || error == ENODEV || error == ENXIO)
		why = "the host has no such device; load its module tun";
	else if (error == EACCES || error == EPERM)
		why = "the user may not open it; give them read and write permission";
	snprintf(err, err_size, "net=tap:%s: %s: %s: %s", config->name, TUN_PATH, strerror(error),
		 why);
	return -error;
}

static int no_tap(const struct net_config *config, int error, char *err, size_t err_size)
{
	const char *why = "the device cannot be had";

	if (error == EPERM)
		why = "making one takes CAP_NET_ADMIN; have root make it: ip tuntap add mode tap "
		      "user USER name";
	else if (error == EBUSY)
		why = "another program has the device open";
	else if (error == EINVAL)
		why = "there is a network device of that name that is no tap device";
	snprintf(err, err_size, "net=tap:%s: %s: %s%s%s", config->name, strerror(error), why,
		 error == EPERM ? " " : "", error == EPERM ? config->name : "");
	return -error;
}

static int tap_open(const struct net_config *config, char *err, size_t err_size)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC), ret;

	if (fd < 0)
		return no_tun(config, errno, err, err_size);
	memcpy(ifr.ifr_name, config->name, strnlen(config->name, IFNAMSIZ - 1));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		ret = no_tap(config, errno, err, err_size);
		close(fd);
		return ret;
	}
	fd = fd_move_high(fd);
	if (fd < 0)
		snprintf(err, err_size, "net=tap:%s: %s", config->name, strerror(-fd));
	return fd;
}

/* ---- both ways ------------------------------------------------------------------------------- */

static bool tap_poll(void *priv)
{
	struct net_tap *tap = priv;
	bool more;

	pthread_mutex_lock(&tap->lock);
	more = net_port_poll(tap->port, READ_BUDGET);
	pthread_mutex_unlock(&tap->lock);
	return more;
}

static int tap_receive(void *priv, const void *frame, size_t len, unsigned int src)
{
	struct net_tap *tap = priv;

	/* Down, or its queue is full: what the kernel's drops, this one does. */
	while (write(tap->fd, frame, len) < 0 && errno == EINTR)
		;
	return 0;
}

static void tap_resume(void *priv)
{
	const uint64_t one = 1;
	struct net_tap *tap = priv;
	ssize_t n = write(tap->wake, &one, sizeof(one));

	(void)n;
}

static const struct net_port_ops tap_ops = { .poll = tap_poll,
					     .receive = tap_receive,
					     .resume = tap_resume };

/* Lock held. False: the card takes nothing now. */
static bool forward(struct net_tap *tap)
{
	const struct iovec iov = { tap->frame, tap->pending };
	int ret = net_port_transmit(tap->port, NET_DEST_WIRE, &iov, 1);

	if (ret == -EAGAIN)
		return false;
	/* Without a link it is lost, as on a host whose cable is out. */
	tap->pending = 0;
	return true;
}

/* True: the device has no more for now. False: the card has to take some first. */
static bool read_frames(struct net_tap *tap)
{
	bool drained = false, open = true;

	pthread_mutex_lock(&tap->lock);
	if (tap->pending)
		open = forward(tap);
	for (unsigned int i = 0; i < READ_BUDGET && open && !drained; i++) {
		ssize_t n = read(tap->fd, tap->frame, sizeof(tap->frame));

		drained = n < 0 && errno != EINTR;
		if (n < NET_FRAME_MIN)
			continue;
		/* The host leaves padding to the card: nothing shorter is on a wire. */
		if (n < ETH_ZLEN)
			memset(tap->frame + n, 0, (size_t)(ETH_ZLEN - n));
		tap->pending = (size_t)MAX(n, (ssize_t)ETH_ZLEN);
		open = forward(tap);
	}
	pthread_mutex_unlock(&tap->lock);
	return open;
}

static void unplug(struct net_tap *tap)
{
	pthread_mutex_lock(&tap->lock);
	net_port_set_link(tap->port, false);
	pthread_mutex_unlock(&tap->lock);
}

static void *reader(void *arg)
{
	struct net_tap *tap = arg;
	struct pollfd fds[2] = { { .fd = tap->wake, .events = POLLIN },
				 { .fd = tap->fd, .events = POLLIN } };
	bool gone = false;

	while (!atomic_load(&tap->stop)) {
		uint64_t count;

		fds[1].fd = read_frames(tap) && !gone ? tap->fd : -1;
		if (poll(fds, 2, -1) <= 0)
			continue;
		if (fds[0].revents) {
			ssize_t n = read(tap->wake, &count, sizeof(count));

			(void)n;
		}
		/* Somebody has deleted the device, and it does not come back. */
		if (fds[1].fd >= 0 && (fds[1].revents & (POLLERR | POLLHUP))) {
			gone = true;
			unplug(tap);
		}
	}
	return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------- */

int net_check(const struct net_config *config, char *err, size_t err_size)
{
	int ret = config->pcap[0] ? net_pcap_check(config->pcap) : 0, fd;

	if (ret) {
		snprintf(err, err_size, "pcap=%s: %s; give a file that can be written",
			 config->pcap, strerror(-ret));
		return ret;
	}
	fd = config->kind == NET_TAP ? tap_open(config, err, err_size) : -1;
	fd_close(fd);
	return config->kind == NET_TAP ? MIN(fd, 0) : 0;
}

static int start_port(struct net_tap *tap, const struct net_config *config, const char *dir,
		      char *err, size_t err_size)
{
	struct net_config own = *config;
	const struct net_port_args args = {
		.config = &own, .dir = dir, .card = "tap", .ops = &tap_ops, .priv = tap
	};
	int ret;

	own.pcap[0] = '\0';
	/* The port's thread waits until all is there. */
	pthread_mutex_lock(&tap->lock);
	ret = net_port_open(&args, &tap->port, err, err_size);
	/* Only who has the station may have the device. */
	if (!ret) {
		tap->fd = tap_open(config, err, err_size);
		ret = MIN(tap->fd, 0);
		if (!ret)
			net_port_set_link(tap->port, true);
	} else if (ret == -EBUSY) {
		err[0] = '\0';
	}
	pthread_mutex_unlock(&tap->lock);
	return ret;
}

int net_tap_start(const struct net_config *config, const char *dir, struct net_tap **out, char *err,
		  size_t err_size)
{
	struct net_tap *tap = calloc(1, sizeof(*tap));
	int ret = -ENOMEM;

	err[0] = '\0';
	if (!tap)
		return ret;
	tap->fd = -1;
	pthread_mutex_init(&tap->lock, NULL);
	tap->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tap->wake = tap->wake < 0 ? -1 : fd_move_high(tap->wake);
	if (tap->wake >= 0)
		ret = start_port(tap, config, dir, err, err_size);
	if (!ret)
		ret = thread_create(&tap->reader, "uvfio-tap", reader, tap);
	tap->has_reader = !ret;
	if (ret) {
		net_tap_stop(tap);
		return ret;
	}
	*out = tap;
	return 0;
}

void net_tap_stop(struct net_tap *tap)
{
	if (!tap)
		return;
	if (tap->has_reader) {
		atomic_store(&tap->stop, true);
		tap_resume(tap);
		pthread_join(tap->reader, NULL);
	}
	net_port_close(tap->port);
	fd_close(tap->fd);
	fd_close(tap->wake);
	pthread_mutex_destroy(&tap->lock);
	free(tap);
}
