/* SPDX-License-Identifier: BSD-3-Clause */
/* What this folder's tests share: the module loaded in a process that is the whole session. */
#ifndef DRIVERS_MTTY_FIXTURE_H
#define DRIVERS_MTTY_FIXTURE_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "device/testing.h"
#include "drivers/mtty/card.h"
#include "drivers/mtty/mtty.h"
#include "vfio/fixture.h"

#define UUID_A "aaaaaaaa-0000-0000-0000-000000000001"
#define UUID_B "bbbbbbbb-0000-0000-0000-000000000002"
#define UUID_C "cccccccc-0000-0000-0000-000000000003"

static struct device_core *mtty_core;

static inline void mtty_fixture_setup(void)
{
	fixture_setup();
	ck_assert_int_eq(device_core_create(&mtty_core), 0);
	ck_assert_int_eq(mdev_init(mtty_core, NULL), 0);
	ck_assert_int_eq(mtty_init(), 0);
}

static inline void mtty_fixture_teardown(void)
{
	mtty_exit();
	mdev_exit();
	device_core_destroy(mtty_core);
	fixture_teardown();
}

/* A container may have no devpts. */
static inline bool mtty_fixture_has_ptys(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	char name[64];
	bool has = fd >= 0 && !ptsname_r(fd, name, sizeof(name)) && !access(name, F_OK);

	if (fd >= 0)
		close(fd);
	return has;
}

static inline int mtty_fixture_parent(void *arg, struct mdev_parent *parent)
{
	*(struct mdev_parent **)arg = parent;
	return 1;
}

static inline struct vfio_device *mtty_fixture_create(const char *type, const char *uuid)
{
	struct mdev_parent *parent = NULL;
	struct mtty_card *card;

	mdev_for_each_parent(mtty_fixture_parent, &parent);
	ck_assert_int_eq(mdev_device_create(mdev_find_type(parent, type), uuid), 0);
	card = mdev_find_device(uuid)->drvdata;
	return &card->vdev;
}

/* NULL: there is no such attribute. */
static inline const char *mtty_fixture_show(const char *uuid, const char *name)
{
	struct device *dev = &mdev_find_device(uuid)->dev;

	return test_device_attr(dev, name) ? test_device_show(mtty_core, dev, name) : NULL;
}

/* @expected: 0 or -errno. */
static inline void mtty_fixture_store(const char *uuid, const char *name, const char *text,
				      ssize_t expected)
{
	ssize_t ret = test_device_store(mtty_core, &mdev_find_device(uuid)->dev, name, text);

	ck_assert_int_eq(ret < 0 ? ret : ret - (ssize_t)strlen(text), expected);
}

#endif
