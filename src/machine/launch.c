/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/huge.h"
#include "machine/machine_priv.h"
#include "machine/parents.h"
#include "machine/session_priv.h"
#include "machine/trace.h"
#include "net/config.h"

/* The option's value as the user gave it, or its default; NULL: the model has none of that name. */
static const char *option_of(const struct description_device *dev, const char *key)
{
	const char *given = description_device_option(dev, key);

	for (const struct model_option *o = dev->model->options; o && o->key; o++)
		if (!strcmp(o->key, key))
			return given ? given : o->default_value;
	return NULL;
}

/* What disks without a file of the user's may come to hold. The models check the options. */
static uint64_t disks_size(const struct description *desc)
{
	static const char units[] = "KMGT";
	uint64_t sum = 0;

	for (size_t i = 0; i < desc->num_devices; i++) {
		const struct description_device *dev = desc->devices[i];
		const char *size = option_of(dev, "size"), *unit;
		char *end;
		uint64_t bytes;

		if (!size || description_device_option(dev, "file"))
			continue;
		bytes = strtoull(size, &end, 10);
		unit = *end ? strchr(units, *end & ~0x20) : NULL;
		sum += unit ? bytes << (10 * (unit - units + 1)) : bytes;
	}
	return sum;
}

/* Disks without a file of the user's are sparse files of the session; models give them their
 * size. */
static int make_disks(struct session *session, const struct description *desc)
{
	char path[4096], at[PCI_ADDRESS_LEN];

	for (size_t i = 0; i < desc->num_devices; i++) {
		int fd;

		if (description_device_option(desc->devices[i], "file"))
			continue;
		snprintf(path, sizeof(path), "%s/disks/%s", session_dir(session),
			 pci_address_format(desc->devices[i]->rid, at));
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

/* The description and the session file, which every process of the session reads. */
static int write_session(struct session *session, const struct description *desc,
			 const struct session_identity *identity)
{
	struct session_device *devices = NULL;
	char path[4096];
	size_t count;
	int ret = session_path(session, "machine", path, sizeof(path));

	if (!ret)
		ret = description_write(desc, path);
	if (!ret)
		ret = make_disks(session, desc);
	if (!ret)
		ret = machine_plan(desc, &devices, &count);
	if (!ret)
		ret = session_create_shared(session, identity, devices, count);
	if (!ret)
		ret = huge_setup(session, &desc->huge);
	if (!ret && desc->trace)
		ret = trace_switch(session, desc->trace, true);
	free(devices);
	return ret;
}

/* Tap devices and records that the user may not have are said now, not when a program opens the
 * card. */
static int check_nets(const struct description *desc, char *err, size_t err_size)
{
	static const char *const keys[] = { "net", "pcap" };

	for (size_t i = 0; i < desc->num_devices; i++) {
		const struct description_device *dev = desc->devices[i];
		char why[256] = "";
		struct net_config config;
		int ret = 0;

		net_config_init(&config);
		for (size_t k = 0; !ret && k < ARRAY_SIZE(keys); k++) {
			const char *value = description_device_option(dev, keys[k]);

			if (value)
				ret = net_config_set(&config, keys[k], value, why, sizeof(why));
		}
		if (!ret)
			ret = net_check(&config, why, sizeof(why));
		if (ret) {
			snprintf(err, err_size, "%s: %s", dev->model->name, why);
			return ret;
		}
	}
	return 0;
}

int machine_launch(struct description *desc, const struct session_identity *identity,
		   struct session **out, struct uvfio_machine **machine, char *err, size_t err_size)
{
	struct session *session;
	int ret;

	err[0] = '\0';
	ret = description_finish(desc, err, err_size);
	if (!ret)
		ret = check_nets(desc, err, err_size);
	if (!ret)
		ret = parents_check(desc, err, err_size);
	if (!ret)
		ret = session_create(&session, disks_size(desc), err, err_size);
	if (ret) {
		description_free(desc);
		return ret;
	}
	ret = write_session(session, desc, identity);
	if (ret) {
		snprintf(err, err_size, "cannot write the session directory %s: %s",
			 session_dir(session), strerror(-ret));
		description_free(desc);
	} else {
		ret = machine_build(session, desc, true, machine, err, err_size);
		if (ret == -ENOSPC || ret == -EDQUOT)
			snprintf(err, err_size,
				 "cannot write the session directory %s: %s; set UVFIO_DIR to one "
				 "with more room",
				 session_dir(session), strerror(-ret));
	}
	if (ret) {
		session_remove(session);
		session_close(session);
		return ret;
	}
	*out = session;
	return 0;
}
