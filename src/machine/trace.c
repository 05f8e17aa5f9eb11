/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "base/fd.h"
#include "base/sysraw.h"
#include "device/trace.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"
#include "machine/trace_priv.h"
#include "vfio/vfio_device.h"

#define TRACE_FILE "trace"
#define LINE_BYTES 160
#define BATCH	   16 /* lines in one write, so that lines of two processes do not mix */

/* ---- kind bind ------------------------------------------------------------------------------- */

/* What an event's b and c are. */
enum bind_value {
	VALUE_NONE,
	VALUE_DRIVER,
	VALUE_GROUP,
	VALUE_TYPE,
	VALUE_NODE,
	VALUE_FLAG,
	VALUE_COUNT
};

static const struct {
	const char *name;
	enum bind_value value;
} bind_steps[BIND_STEPS] = {
	[BIND_DRIVER_PROBE_DEVICE] = { "driver_probe_device", VALUE_DRIVER },
	[BIND_VFIO_PCI_PROBE] = { "vfio_pci_probe", VALUE_NONE },
	[BIND_VFIO_PCI_CORE_REGISTER_DEVICE] = { "vfio_pci_core_register_device", VALUE_NONE },
	[BIND_VFIO_REGISTER_GROUP_DEV] = { "vfio_register_group_dev", VALUE_TYPE },
	[BIND_VFIO_DEVICE_SET_GROUP] = { "vfio_device_set_group", VALUE_NONE },
	[BIND_VFIO_GROUP_FIND_OR_ALLOC] = { "vfio_group_find_or_alloc", VALUE_NONE },
	[BIND_IOMMU_GROUP_GET] = { "iommu_group_get", VALUE_GROUP },
	[BIND_VFIO_NOIOMMU_GROUP_ALLOC] = { "vfio_noiommu_group_alloc", VALUE_NONE },
	[BIND_IOMMU_GROUP_ALLOC] = { "iommu_group_alloc", VALUE_GROUP },
	[BIND_IOMMU_GROUP_ADD_DEVICE] = { "iommu_group_add_device", VALUE_GROUP },
	[BIND_VFIO_CREATE_GROUP] = { "vfio_create_group", VALUE_NODE },
	[BIND_ADD_TAINT] = { "add_taint", VALUE_FLAG },
	[BIND_VFIO_DEVICE_GROUP_REGISTER] = { "vfio_device_group_register", VALUE_GROUP },
	[BIND_DEVICE_RELEASE_DRIVER] = { "device_release_driver", VALUE_DRIVER },
	[BIND_VFIO_PCI_REMOVE] = { "vfio_pci_remove", VALUE_NONE },
	[BIND_VFIO_PCI_CORE_UNREGISTER_DEVICE] = { "vfio_pci_core_unregister_device", VALUE_NONE },
	[BIND_VFIO_UNREGISTER_GROUP_DEV] = { "vfio_unregister_group_dev", VALUE_NONE },
	[BIND_VFIO_DEVICE_GROUP_UNREGISTER] = { "vfio_device_group_unregister", VALUE_GROUP },
	[BIND_VFIO_PCI_CORE_REQUEST] = { "vfio_pci_core_request", VALUE_COUNT },
	[BIND_VFIO_DEVICE_REMOVE_GROUP] = { "vfio_device_remove_group", VALUE_NODE },
	[BIND_VFIO_GROUP_DETACH_CONTAINER] = { "vfio_group_detach_container", VALUE_GROUP },
	[BIND_IOMMU_GROUP_REMOVE_DEVICE] = { "iommu_group_remove_device", VALUE_GROUP },
};

static const char *group_type_name(uint64_t type)
{
	switch (type) {
	case VFIO_IOMMU:
		return "VFIO_IOMMU";
	case VFIO_EMULATED_IOMMU:
		return "VFIO_EMULATED_IOMMU";
	default:
		return "VFIO_NO_IOMMU";
	}
}

static void bind_value(const struct event *event, enum bind_value value, char *buf, size_t size)
{
	uint64_t words[2] = { event->b, event->c };
	char name[sizeof(words) + 1] = "";

	switch (value) {
	case VALUE_NONE:
		buf[0] = '\0';
		break;
	case VALUE_DRIVER:
		memcpy(name, words, sizeof(words));
		snprintf(buf, size, " %s", name);
		break;
	case VALUE_GROUP:
		if (event->b == BIND_NO_GROUP)
			snprintf(buf, size, " none");
		else
			snprintf(buf, size, " %llu", (unsigned long long)event->b);
		break;
	case VALUE_TYPE:
		snprintf(buf, size, " %s", group_type_name(event->b));
		break;
	case VALUE_NODE:
		snprintf(buf, size, " %s%llu %s", event->c == VFIO_NO_IOMMU ? "noiommu-" : "",
			 (unsigned long long)event->b, group_type_name(event->c));
		break;
	case VALUE_FLAG:
		snprintf(buf, size, " %s", event->b == TAINT_USER ? "TAINT_USER" : "another");
		break;
	case VALUE_COUNT:
		snprintf(buf, size, " %llu", (unsigned long long)event->b);
		break;
	}
}

/* A step that was left is told when it failed, or when nothing is around it. */
static bool bind_format(const struct event *event, char *line, size_t size)
{
	unsigned int step = BIND_EVENT_STEP(event->a), depth = BIND_EVENT_DEPTH(event->a);
	int ret = (int)(int64_t)event->b;
	char address[PCI_ADDRESS_LEN], value[64];

	if (step >= BIND_STEPS)
		return false;
	if (!BIND_EVENT_LEFT(event->a))
		bind_value(event, bind_steps[step].value, value, sizeof(value));
	else if (ret < 0 || !depth)
		snprintf(value, sizeof(value), " = %d", ret);
	else
		return false;
	snprintf(line, size, "bind %s: %*s%s%s\n", pci_address_format(event->dev, address),
		 (int)(2 * depth), "", bind_steps[step].name, value);
	return true;
}

/* ---- all kinds ------------------------------------------------------------------------------- */

static const struct trace_kind {
	const char *name;
	uint32_t events; /* bits of enum event_type */
	/* One event as a line with its newline; false: it is none. */
	bool (*format)(const struct event *event, char *line, size_t size);
	bool at_once; /* events come at any time, and not under core's lock */
} kinds[] = {
	{ "bind", 1U << EVENT_BIND, bind_format, false },
	{ "irq", 1U << EVENT_IRQ | 1U << EVENT_IRQ_BYPASS, trace_format_irq, true },
	{ "mdev", 1U << EVENT_MDEV, trace_format_mdev, true },
};

static void unknown_kind(const char *word, size_t len, char *err, size_t err_size)
{
	char names[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					 kinds[i].name);
	if (!len || *word == '-')
		snprintf(err, err_size, "--trace needs the kinds of events to print: --trace=%s",
			 names);
	else
		snprintf(err, err_size, "--trace=%.*s: not a kind of event; take %s", (int)len,
			 word, names);
}

int trace_parse(const char *text, uint32_t *out, char *err, size_t err_size)
{
	size_t i, len;

	*out = 0;
	for (const char *word = text;; word += len + 1) {
		len = strcspn(word, ",");
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			if (strlen(kinds[i].name) == len && !strncmp(word, kinds[i].name, len))
				break;
		if (i == ARRAY_SIZE(kinds)) {
			unknown_kind(word, len, err, err_size);
			return -EINVAL;
		}
		*out |= 1U << i;
		if (!word[len])
			return 0;
	}
}

static int trace_file(const struct session *session, int flags)
{
	char path[4096];
	int ret = session_path(session, TRACE_FILE, path, sizeof(path)), fd;

	if (ret)
		return ret;
	fd = open(path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd_move_high(fd);
}

int trace_switch(struct session *session, uint32_t wanted, bool on)
{
	struct shared_header *shared = session_shared(session);
	int fd;

	if (!on) {
		atomic_fetch_and(&shared->trace, ~wanted);
		return 0;
	}
	fd = trace_file(session, O_WRONLY | O_CREAT);
	if (fd < 0)
		return fd;
	fd_close(fd);
	atomic_fetch_or(&shared->trace, wanted);
	return 0;
}

int trace_open(const struct session *session)
{
	int fd = trace_file(session, O_RDONLY);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static size_t format(const struct event *event, char *line, size_t size);

/* On any thread, in signal context, too: one write. */
static void write_now(void *arg, const struct event *event)
{
	const struct uvfio_machine *machine = arg;
	char line[LINE_BYTES];
	size_t len = format(event, line, sizeof(line));

	if (len)
		sysraw3(SYS_write, machine->trace_fd, (long)line, (long)len);
}

void trace_follow(struct uvfio_machine *machine)
{
	uint32_t wanted = session_shared(machine->session)->trace, events = 0, at_once = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!(wanted >> i & 1))
			continue;
		events |= kinds[i].events;
		if (kinds[i].at_once)
			at_once |= kinds[i].events;
	}
	machine->trace_fd = at_once ? trace_file(machine->session, O_WRONLY | O_APPEND) : -1;
	if (machine->trace_fd >= 0)
		event_set_sink(at_once, write_now, machine);
	event_switch(events);
}

void trace_stop(struct uvfio_machine *machine)
{
	if (machine->trace_fd >= 0)
		event_set_sink(0, NULL, NULL);
}

void trace_close(struct uvfio_machine *machine)
{
	fd_close(machine->trace_fd);
	machine->trace_fd = -1;
}

/* The event as text, by the first kind that knows it; its length, 0: it is none. */
static size_t format(const struct event *event, char *line, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].events >> event->type & 1 && kinds[i].format(event, line, size))
			return strlen(line);
	return 0;
}

void trace_flush(struct uvfio_machine *machine)
{
	struct event events[BATCH];
	char text[(BATCH + 1) * LINE_BYTES];
	uint64_t lost = 0;
	size_t count;
	int fd = -1;

	if (!session_shared(machine->session)->trace)
		return;
	while ((count = event_read(&machine->trace_seq, events, BATCH, &lost))) {
		size_t len = 0;

		if (lost)
			len += (size_t)snprintf(text, LINE_BYTES, "%llu events are lost\n",
						(unsigned long long)lost);
		lost = 0;
		for (size_t i = 0; i < count; i++)
			len += format(&events[i], text + len, LINE_BYTES);
		if (len && fd < 0)
			fd = trace_file(machine->session, O_WRONLY | O_APPEND);
		/* A full file system costs the trace and nothing else. */
		if (fd >= 0 && write(fd, text, len) < 0)
			break;
	}
	fd_close(fd);
}
