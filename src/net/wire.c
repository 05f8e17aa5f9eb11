/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of a wire: made by whoever comes first, under flock; mapped by every process that has a
 * station open. Stations come and go with their processes.
 *
 * The file is sparse: a ring gets its memory when its station is opened, so that a full file system
 * says so there, and not as SIGBUS at a later store.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sysraw.h"
#include "net/wire_priv.h"

#define FILE_SIZE (NET_OFF_RINGS + NET_ALL * NET_RING_SIZE)

/* ---- the file -------------------------------------------------------------------------------- */

static int file_open(const struct net_config *config, const char *dir, const char *card)
{
	char path[PATH_MAX];
	int fd;

	/* The pump would not find it. */
	if (!dir && config->kind == NET_TAP)
		return -ENOTSUP;
	if (!dir)
		return fd_memfd("uvfio-wire", FILE_SIZE);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (config->kind == NET_WIRE)
		snprintf(path, sizeof(path), "%s/wire-%s", dir, config->name);
	else if (config->kind == NET_TAP)
		snprintf(path, sizeof(path), "%s/tap-%s", dir, config->name);
	else
		snprintf(path, sizeof(path), "%s/card-%s", dir, card);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd_move_high(fd);
}

static int mutex_init(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int ret;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	ret = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -ret;
}

/* The file's lock held; it has its size. */
static int file_init(struct net_wire_file *file)
{
	int ret = 0;

	memset(file, 0, sizeof(*file));
	for (unsigned int i = 0; i < NET_ALL && !ret; i++) {
		struct net_station *st = &file->end[i / NET_STATIONS].station[i % NET_STATIONS];

		ret = mutex_init(&st->owner);
		if (!ret)
			ret = mutex_init(&st->producers);
	}
	file->version = NET_VERSION;
	file->size = sizeof(*file);
	if (!ret)
		__atomic_store_n(&file->magic, NET_MAGIC, __ATOMIC_RELEASE);
	return ret;
}

/* The file's lock held. */
static int file_map(struct net_wire *wire)
{
	struct stat st;
	void *mem;
	int ret;

	if (fstat(wire->fd, &st) < 0)
		return -errno;
	if (st.st_size < FILE_SIZE) {
		ret = fd_set_size(wire->fd, FILE_SIZE);
		if (ret)
			return ret;
	}
	ret = posix_fallocate(wire->fd, 0, NET_OFF_RINGS);
	if (ret)
		return -ret;
	mem = mmap(NULL, NET_OFF_RINGS, PROT_READ | PROT_WRITE, MAP_SHARED, wire->fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	wire->file = mem;
	if (wire->file->magic == NET_MAGIC)
		return wire->file->version == NET_VERSION && wire->file->size == sizeof(*wire->file)
			       ? 0
			       : -EPROTO;
	return file_init(wire->file);
}

/* The file's lock held: a card keeps its end as long as the file lives. */
static int choose_end(struct net_wire *wire, const char *card)
{
	unsigned int ends = wire->kind == NET_WIRE ? NET_ENDS : 1;

	if (wire->kind == NET_TAP && !strcmp(card, "tap")) {
		wire->end = 1;
		return 0;
	}
	for (unsigned int i = 0; i < ends; i++) {
		struct net_end *end = &wire->file->end[i];

		if (!end->card[0])
			snprintf(end->card, sizeof(end->card), "%s", card);
		if (!strncmp(end->card, card, sizeof(end->card))) {
			wire->end = i;
			return 0;
		}
	}
	return -EBUSY;
}

/* ---- rings ----------------------------------------------------------------------------------- */

/* The same pages twice in a row. */
static int ring_map(struct net_wire *wire, unsigned int number)
{
	off_t off = NET_OFF_RINGS + (off_t)number * NET_RING_SIZE;
	uint8_t *mem = mmap(NULL, 2UL * NET_RING_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	wire->ring[number] = mem;
	for (unsigned int i = 0; i < 2; i++)
		if (mmap(mem + (size_t)i * NET_RING_SIZE, NET_RING_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, wire->fd, off) == MAP_FAILED)
			return -errno;
	return 0;
}

static int rings_map(struct net_wire *wire)
{
	int ret = 0;

	/* The other end of a tap has one station, the others have none without a cable. */
	for (unsigned int i = 0; i < NET_ALL && !ret; i++)
		if (i / NET_STATIONS == wire->end || wire->kind == NET_WIRE ||
		    (wire->kind == NET_TAP && (i == NET_STATIONS || !(i / NET_STATIONS))))
			ret = ring_map(wire, i);
	return ret;
}

int net_wire_open(const struct net_config *config, const char *dir, const char *card,
		  struct net_wire *wire)
{
	int ret;

	memset(wire, 0, sizeof(*wire));
	wire->kind = config->kind;
	wire->fd = file_open(config, dir, card);
	if (wire->fd < 0)
		return wire->fd;
	while (flock(wire->fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			ret = -errno;
			goto fail;
		}
	ret = file_map(wire);
	if (!ret)
		ret = choose_end(wire, card);
	flock(wire->fd, LOCK_UN);
	if (!ret)
		ret = rings_map(wire);
	if (!ret)
		return 0;
fail:
	net_wire_close(wire);
	return ret;
}

void net_wire_close(struct net_wire *wire)
{
	for (unsigned int i = 0; i < NET_ALL; i++)
		if (wire->ring[i])
			munmap(wire->ring[i], 2UL * NET_RING_SIZE);
	if (wire->file)
		munmap(wire->file, NET_OFF_RINGS);
	fd_close(wire->fd);
	memset(wire, 0, sizeof(*wire));
	wire->fd = -1;
}

/* ---- stations -------------------------------------------------------------------------------- */

/* Something that links depend on has changed: every owner looks again. */
static void changed(struct net_wire *wire)
{
	atomic_fetch_add(&wire->file->changes, 1);
	for (unsigned int i = 0; i < NET_ALL; i++)
		if (atomic_load(&net_station(wire, i)->attached))
			net_station_ring_bell(net_station(wire, i));
}

int net_station_attach(struct net_wire *wire, unsigned int number)
{
	struct net_station *station = net_station(wire, number);
	unsigned int end = number / NET_STATIONS;
	int ret = pthread_mutex_trylock(&station->owner);

	if (ret == EOWNERDEAD)
		ret = pthread_mutex_consistent(&station->owner);
	if (ret)
		return -ret;
	ret = posix_fallocate(wire->fd, NET_OFF_RINGS + (off_t)number * NET_RING_SIZE,
			      NET_RING_SIZE);
	if (!ret)
		ret = -net_ring_lock(station);
	if (ret) {
		pthread_mutex_unlock(&station->owner);
		return -ret;
	}
	atomic_store(&station->head, 0);
	atomic_store(&station->tail, 0);
	atomic_store(&station->resume, 0);
	/* The first function of the card to be opened: the transmitter is on after power up. A tap
	 * device is first opened (tap.c). */
	if (!net_end_stations(wire, end))
		atomic_store(&wire->file->end[end].on, wire->kind != NET_TAP || end == 0);
	atomic_store(&station->attached, 1);
	net_ring_unlock(station);
	net_ring_resume(wire, station);
	changed(wire);
	return 0;
}

static void station_gone(struct net_wire *wire, struct net_station *station)
{
	atomic_store(&station->attached, 0);
	pthread_mutex_unlock(&station->owner);
	/* Who waits for it does so in vain. */
	net_ring_resume(wire, station);
	changed(wire);
}

void net_station_detach(struct net_wire *wire, unsigned int number)
{
	station_gone(wire, net_station(wire, number));
}

bool net_station_dead(struct net_wire *wire, unsigned int number)
{
	struct net_station *station = net_station(wire, number);
	int ret;

	if (!atomic_load(&station->attached))
		return false;
	ret = pthread_mutex_trylock(&station->owner);
	if (ret == EOWNERDEAD)
		ret = pthread_mutex_consistent(&station->owner);
	if (ret)
		return false;
	station_gone(wire, station);
	return true;
}

uint32_t net_end_stations(const struct net_wire *wire, unsigned int end)
{
	uint32_t stations = 0;

	for (unsigned int i = 0; i < NET_STATIONS; i++)
		if (atomic_load_explicit(&wire->file->end[end].station[i].attached,
					 memory_order_acquire))
			stations |= BIT(i);
	return stations;
}

/* ---- the link -------------------------------------------------------------------------------- */

void net_wire_set_on(struct net_wire *wire, bool on)
{
	if (atomic_exchange(&wire->file->end[wire->end].on, on) != on)
		changed(wire);
}

bool net_wire_link(const struct net_wire *wire)
{
	unsigned int peer = net_peer(wire);

	return wire->kind != NET_NONE && atomic_load(&wire->file->end[wire->end].on) &&
	       atomic_load(&wire->file->end[peer].on) && net_end_stations(wire, peer);
}

/* ---- the doorbell ---------------------------------------------------------------------------- */

void net_station_ring_bell(struct net_station *station)
{
	/* Between what was stored before and the look: see ring.c. */
	atomic_thread_fence(memory_order_seq_cst);
	if (likely(!atomic_load_explicit(&station->sleeping, memory_order_relaxed)))
		return;
	atomic_fetch_add(&station->bell, 1);
	sysraw6(SYS_futex, (long)&station->bell, FUTEX_WAKE, 1, 0, 0, 0);
}

bool net_station_sleep(struct net_station *station, bool (*busy)(void *arg), void *arg,
		       int timeout_ms)
{
	const struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	uint32_t bell = atomic_load(&station->bell);
	long ret = 0;

	atomic_store(&station->sleeping, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (!busy(arg))
		ret = sysraw6(SYS_futex, (long)&station->bell, FUTEX_WAIT, (long)bell,
			      timeout_ms < 0 ? 0 : (long)&timeout, 0, 0);
	atomic_store(&station->sleeping, 0);
	return ret != -ETIMEDOUT;
}
