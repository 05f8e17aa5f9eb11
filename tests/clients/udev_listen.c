/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udev-listen NAME [SUBSYSTEM]: a libudev client. Finds the PCI devices by enumeration, then
 * listens with a monitor of NAME ("kernel", "udev"), filtered by SUBSYSTEM, and prints what comes,
 * until an event with SYNTH_ARG_STOP.
 */
#include <libudev.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static void enumerate(struct udev *udev)
{
	struct udev_enumerate *list = udev_enumerate_new(udev);
	struct udev_list_entry *entry;

	udev_enumerate_add_match_subsystem(list, "pci");
	udev_enumerate_scan_devices(list);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list))
	{
		struct udev_device *dev =
			udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
		const char *driver;

		if (!dev)
			continue;
		driver = udev_device_get_driver(dev);
		printf("found %s %s %s\n", udev_device_get_sysname(dev), driver ? driver : "-",
		       udev_device_get_is_initialized(dev) ? "initialized" : "raw");
		udev_device_unref(dev);
	}
	udev_enumerate_unref(list);
}

static int receive(struct udev_monitor *monitor)
{
	struct udev_device *dev = udev_monitor_receive_device(monitor);
	const char *slot, *node, *stop;

	if (!dev) {
		printf("nothing received\n");
		return 0;
	}
	slot = udev_device_get_property_value(dev, "PCI_SLOT_NAME");
	node = udev_device_get_devnode(dev);
	stop = udev_device_get_property_value(dev, "SYNTH_ARG_STOP");
	printf("%s %s %s %s %s\n", udev_device_get_action(dev), udev_device_get_subsystem(dev),
	       slot ? slot : "-", node ? node : "-",
	       udev_device_get_is_initialized(dev) ? "initialized" : "raw");
	fflush(stdout);
	udev_device_unref(dev);
	return stop != NULL;
}

int main(int argc, char **argv)
{
	struct udev *udev = udev_new();
	struct udev_monitor *monitor =
		udev_monitor_new_from_netlink(udev, argc > 1 ? argv[1] : "udev");
	struct pollfd fd = { .events = POLLIN };

	enumerate(udev);
	if (argc > 2)
		udev_monitor_filter_add_match_subsystem_devtype(monitor, argv[2], NULL);
	if (!monitor || udev_monitor_enable_receiving(monitor)) {
		printf("no monitor\n");
		return 1;
	}
	fd.fd = udev_monitor_get_fd(monitor);
	printf("ready\n");
	fflush(stdout);
	while (poll(&fd, 1, 10000) == 1)
		if (receive(monitor))
			return 0;
	return 1;
}
