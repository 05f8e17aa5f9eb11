/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/uevent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "machine/keeper.h"
#include "machine/keeper_msg.h"
#include "machine/keeper_socket.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"
#include "machine/uevent_packet.h"

#define SEQNUM_FILE "sys/kernel/uevent_seqnum"

/* A message on its way: what goes to the keeper. */
struct queued {
	struct list_head node;
	struct keeper_msg msg;
	size_t len;
	char message[];
};

/* ---- small files ----------------------------------------------------------------------------- */

/* Replaces DIR/@name; readers see one text or the other. */
static void put_file(const struct session *session, const char *name, const char *text)
{
	char path[PATH_MAX], temp[PATH_MAX + 8];
	size_t len = strlen(text);
	int fd;

	if (session_path(session, name, path, sizeof(path)))
		return;
	snprintf(temp, sizeof(temp), "%s.new", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0444) < 0 ||
	    rename(temp, path) < 0) {
		pr_warn("%s cannot be written: %s", name, strerror(errno));
		unlink(temp);
	}
	if (fd >= 0)
		close(fd);
}

static void put_seqnum(const struct session *session)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)session->shared->uevent_seqnum);
	put_file(session, SEQNUM_FILE, text);
}

/* ---- udev's database ------------------------------------------------------------------------- */

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* When udev has seen the device of @id first, 0: never. */
static uint64_t udev_seen(const struct session *session, const char *id)
{
	char path[PATH_MAX], name[128];
	unsigned long long usec = 0;
	FILE *file;

	snprintf(name, sizeof(name), "run/udev/data/%s", id);
	if (session_path(session, name, path, sizeof(path)))
		return 0;
	file = fopen(path, "re");
	if (file && fscanf(file, "I:%llu", &usec) != 1)
		usec = 0;
	if (file)
		fclose(file);
	return usec;
}

/*
 * What udevd would keep of the event: /run/udev/data/ID says since when the device is initialised.
 * Returns that time, 0 for things that udev keeps nothing of.
 */
static uint64_t udev_note(struct uvfio_machine *machine, const struct uevent *event)
{
	const struct session *session = machine->session;
	char id[80], name[128], path[PATH_MAX], text[64];
	uint64_t usec;

	if (machine->uevents_foreign || !udev_device_id(event->buf, event->len, id, sizeof(id)))
		return 0;
	usec = udev_seen(session, id);
	snprintf(name, sizeof(name), "run/udev/data/%s", id);
	if (event->action == UEVENT_REMOVE) {
		if (!session_path(session, name, path, sizeof(path)))
			unlink(path);
	} else if (!usec) {
		usec = machine->created_usec ? machine->created_usec : now_usec();
		snprintf(text, sizeof(text), "I:%llu\nV:1\n", (unsigned long long)usec);
		if (!machine->created_usec) {
			put_file(session, name, text);
		} else {
			/* All devices of a new session are of the same moment, and one file. */
			snprintf(path, sizeof(path), "/%s", name);
			tree_put_text(machine->tree, path, 0644, text);
		}
	}
	return usec;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void enqueue(struct uvfio_machine *machine, const struct uevent *event, uint64_t seq,
		    uint64_t usec)
{
	size_t head = strlen(uevent_action_name(event->action)) + strlen(event->devpath) + 2;
	struct queued *queued = FAIL_POINT() ? NULL
					     : calloc(1, sizeof(*queued) + head + event->len);

	if (!queued) {
		pr_warn("no memory for uevent %llu", (unsigned long long)seq);
		return;
	}
	queued->msg = (struct keeper_msg){
		.magic = KEEPER_MAGIC, .type = KEEPER_UEVENT, .id = (uint32_t)seq, .usec = usec
	};
	queued->len = head + event->len;
	sprintf(queued->message, "%s@%s", uevent_action_name(event->action), event->devpath);
	memcpy(queued->message + head, event->buf, event->len);
	list_add_tail(&queued->node, &machine->uevents);
}

/* The core's callback. */
static int carry(void *arg, struct uevent *event)
{
	struct uvfio_machine *machine = arg;
	struct shared_header *shared = session_shared(machine->session);
	uint64_t seq, usec;
	int ret;

	/* Whoever mends the tree changes nothing that was not told of. */
	if (!tree_writing(machine->tree) || tree_mending(machine->tree))
		return 0;
	seq = atomic_fetch_add(&shared->uevent_seqnum, 1) + 1;
	machine->uevents_sent = true;
	ret = uevent_add(event, "SEQNUM=%llu", (unsigned long long)seq);
	if (ret)
		return ret;
	usec = udev_note(machine, event);
	if (shared->num_uevent_sockets)
		enqueue(machine, event, seq, usec);
	return 0;
}

void machine_uevent(struct uvfio_machine *machine, enum uevent_action action, const char *path,
		    const char *subsystem, const char *lines)
{
	struct uevent event;
	int ret = uevent_begin(&event, action, path, subsystem, NULL);

	if (!ret)
		ret = uevent_add_lines(&event, lines);
	if (!ret)
		ret = device_core_uevent(machine->core, &event);
	if (ret)
		pr_warn("%s: the event \"%s\" does not fit", path, uevent_action_name(action));
}

void machine_uevent_of(struct uvfio_machine *machine, enum uevent_action action, const char *path,
		       const char *subsystem)
{
	char name[SYSFS_PATH_MAX], lines[ATTRIBUTE_PAGE];

	snprintf(name, sizeof(name), "%s/uevent", path);
	if (!tree_read_text(machine->tree, name, lines, sizeof(lines)))
		lines[0] = '\0';
	machine_uevent(machine, action, path, subsystem, lines);
}

/* ---- delivery -------------------------------------------------------------------------------- */

/* True when event is in its listeners' sockets. */
static bool deliver(int fd, const struct queued *queued)
{
	struct iovec iov[2] = { { (void *)&queued->msg, sizeof(queued->msg) },
				{ (void *)queued->message, queued->len } };
	const struct msghdr hdr = { .msg_iov = iov, .msg_iovlen = 2 };
	struct keeper_msg done;

	return sendmsg(fd, &hdr, MSG_NOSIGNAL) >= 0 &&
	       keeper_await_done(fd, queued->msg.id, &done) == 0;
}

/* One try to pass on what is queued; true: all of it is through. */
static bool deliver_all(struct uvfio_machine *machine)
{
	struct queued *queued, *tmp;
	bool ok = true;
	int fd = keeper_connect(machine->session, true);

	if (fd < 0) {
		pr_err("no keeper to carry uevents: %s", strerror(-fd));
		return false;
	}
	list_for_each_entry_safe(queued, tmp, &machine->uevents, node) {
		ok = deliver(fd, queued);
		if (!ok)
			break;
		list_del(&queued->node);
		free(queued);
	}
	fd_close(fd);
	return ok;
}

static void drop_all(struct uvfio_machine *machine)
{
	struct queued *queued, *tmp;

	list_for_each_entry_safe(queued, tmp, &machine->uevents, node) {
		list_del(&queued->node);
		free(queued);
	}
}

void uevents_flush(struct uvfio_machine *machine)
{
	if (machine->uevents_sent)
		put_seqnum(machine->session);
	machine->uevents_sent = false;
	machine->created_usec = 0;
	/* A keeper that dies meanwhile has a successor, who knows what the listeners have. */
	if (!list_empty(&machine->uevents) && !deliver_all(machine))
		deliver_all(machine);
	drop_all(machine);
}

void uevents_init(struct uvfio_machine *machine)
{
	machine->created_usec = tree_writing(machine->tree) ? now_usec() : 0;
	device_core_set_uevent(machine->core, carry, machine);
}

void uevents_exit(struct uvfio_machine *machine)
{
	device_core_set_uevent(machine->core, NULL, NULL);
	drop_all(machine);
}
