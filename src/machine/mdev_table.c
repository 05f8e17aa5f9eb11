/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The instances of a session on disk: the file `mdev`, a table of slots that processes map, and
 * below `states/` a file for each state that a driver keeps of a parent or an instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "machine/mdev_priv.h"
#include "machine/session_priv.h"

#define TABLE_FILE  "mdev"
#define TABLE_MAGIC 0x7665646d6f696676ULL
#define STATES_DIR  "states"

_Static_assert(SHARED_MAX_DEVICES + MDEV_SLOTS <= 4096, "claims have a byte for each");

/* For the trace, which knows no machine: the table that was mapped last. */
static _Atomic(const struct mdev_table *) newest;

/* Maps DIR/@name, made with @size bytes of zeroes. */
static int map_file(const struct uvfio_machine *machine, const char *name, size_t size, void **out)
{
	char path[4096];
	struct stat st;
	int ret = session_path(machine->session, name, path, sizeof(path)), fd;
	void *mem;

	if (ret)
		return ret;
	fd = FAIL_POINT() ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno ? -errno : -EMFILE;
	ret = fstat(fd, &st) < 0 ? -errno : 0;
	if (!ret && (size_t)st.st_size < size)
		ret = fd_set_size(fd, size);
	mem = ret ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!ret && mem == MAP_FAILED)
		ret = -errno;
	close(fd);
	if (!ret)
		*out = mem;
	return ret;
}

int mdev_table_open(struct uvfio_machine *machine)
{
	char path[4096];
	void *mem;
	int ret = session_path(machine->session, STATES_DIR, path, sizeof(path));

	if (!ret && mkdir(path, 0700) < 0 && errno != EEXIST)
		ret = -errno;
	if (!ret)
		ret = map_file(machine, TABLE_FILE, sizeof(struct mdev_table), &mem);
	if (ret)
		return ret;
	machine->mdevs = mem;
	atomic_store(&newest, machine->mdevs);
	if (!machine->mdevs->magic)
		machine->mdevs->magic = TABLE_MAGIC;
	if (machine->mdevs->magic == TABLE_MAGIC && machine->mdevs->used <= MDEV_SLOTS)
		return 0;
	mdev_table_close(machine);
	return -EPROTO;
}

void mdev_table_close(struct uvfio_machine *machine)
{
	const struct mdev_table *table = machine->mdevs;

	atomic_compare_exchange_strong(&newest, &table, NULL);
	if (machine->mdevs)
		munmap(machine->mdevs, sizeof(*machine->mdevs));
	machine->mdevs = NULL;
}

struct mdev_slot *mdev_slot_find(struct uvfio_machine *machine, const char *uuid)
{
	struct mdev_slot *slot;

	mdev_for_each_slot(slot, machine)
	{
		if (slot->state != MDEV_SLOT_FREE && sysfs_streq(slot->uuid, uuid))
			return slot;
	}
	return NULL;
}

struct mdev_slot *mdev_slot_new(struct uvfio_machine *machine)
{
	struct mdev_slot *slot;

	mdev_for_each_slot(slot, machine)
	{
		if (slot->state == MDEV_SLOT_FREE)
			return slot;
	}
	if (!machine->mdevs || machine->mdevs->used >= MDEV_SLOTS)
		return NULL;
	return &machine->mdevs->slot[machine->mdevs->used++];
}

unsigned int mdev_slot_index(const struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	return (unsigned int)(slot - machine->mdevs->slot);
}

const char *mdev_slot_name(uint32_t index)
{
	const struct mdev_table *table = atomic_load(&newest);

	return table && index < MDEV_SLOTS ? table->slot[index].uuid : "?";
}

int mdev_slot_claim(struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	return session_claim_release(machine->session,
				     SHARED_MAX_DEVICES + mdev_slot_index(machine, slot));
}

bool mdev_slot_claimed(struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	return session_release_claimed(machine->session,
				       SHARED_MAX_DEVICES + mdev_slot_index(machine, slot));
}

/* ---- states ---------------------------------------------------------------------------------- */

int mdev_states_get(void *arg, const char *name, size_t size, void **out)
{
	char path[128];

	snprintf(path, sizeof(path), STATES_DIR "/%s", name);
	return map_file(arg, path, size, out);
}

void mdev_states_put(void *arg, void *state, size_t size)
{
	munmap(state, size);
}

void mdev_states_forget(struct uvfio_machine *machine, const char *name)
{
	char path[4096], file[128];

	snprintf(file, sizeof(file), STATES_DIR "/%s", name);
	if (!session_path(machine->session, file, path, sizeof(path)))
		unlink(path);
}
