/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "file/file.h"
#include "hostmem/frames.h"
#include "machine/machine.h"
#include "machine/session.h"
#include "pci/pci.h"
#include "preload/doors.h"
#include "preload/huge.h"
#include "preload/inherit.h"
#include "preload/kvm.h"
#include "preload/path.h"
#include "preload/process.h"
#include "preload/uevent.h"

atomic_int door_session_state;
_Atomic(struct uvfio_machine *) door_machine_ptr;

static pthread_mutex_t door_lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *the_session;
static bool kvm_opened;		/* door_lock */
static char machine_error[512]; /* why there was no machine at the last try; door_lock */
/* Why the session is known by its names only; 0: it is open. Set before the session is published,
 * and when what was short is there: door_lock. */
static _Atomic int session_error;
static atomic_bool error_told;

static void log_to_stderr(void *arg, enum log_level level, const char *message)
{
	char line[560];
	int len = snprintf(line, sizeof(line), "uvfio: %s\n", message);

	if (level > LOG_ERR || len < 0)
		return;
	if (write(STDERR_FILENO, line, MIN((size_t)len, sizeof(line) - 1)) < 0)
		return;
}

static void open_session(void)
{
	int state = SESSION_NONE;
	const char *dir;

	environment_remember();
	dir = environment_session();
	if (dir && dir[0] == '/') {
		session_error = session_open(dir, &the_session);
		if (session_error && session_open_names(dir, &the_session))
			dir = NULL;
	}
	if (dir && dir[0] == '/') {
		log_set_sink(log_to_stderr, NULL);
		process_watch_forks();
		huge_session_here(the_session);
		state = SESSION_HERE;
	}
	atomic_store_explicit(&door_session_state, state, memory_order_release);
}

/*
 * No machine is made here (design D3): the environment is remembered before the program changes it,
 * `uvfio run` is told that the library came up, and attributes that came open over exec are known.
 */
static __attribute__((constructor)) void come_up(void)
{
	const char *dir;

	depth_enter();
	environment_remember();
	dir = environment_session();
	if (dir && dir[0] == '/') {
		/* Before the program pins its main thread: device threads keep off that. */
		thread_note_cpus();
		session_note_loaded(dir);
	}
	depth_leave();
	inherit_adopt();
}

struct session *door_session(void)
{
	struct door door;

	if (atomic_load_explicit(&door_session_state, memory_order_acquire) == SESSION_UNKNOWN) {
		/* libc has not come up yet: ask again later. */
		if (!environ)
			return NULL;
		door_enter(&door);
		pthread_mutex_lock(&door_lock);
		if (atomic_load(&door_session_state) == SESSION_UNKNOWN)
			open_session();
		pthread_mutex_unlock(&door_lock);
		door_leave(&door);
	}
	return the_session;
}

/* Something is short; it may be there at the next try. */
static bool is_shortage(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -ENOSPC ||
	       err == -EAGAIN || err == -ENOLCK;
}

/* All but a shortage, which is the kernel's word too, is a device that is not there. */
static int machine_errno(int err)
{
	return is_shortage(err) || err == -EACCES || err == -EPERM ? err : -ENODEV;
}

/* door_lock held. A program that tries again and again hears of the same cause once. */
static int attach(struct session *session, struct uvfio_machine **machine)
{
	char why[sizeof(machine_error)];
	int ret;

	seccomp_tell();
	signals_note();
	ret = machine_attach(session, machine, why, sizeof(why));
	if (!ret)
		return 0;
	/* The half-built machine took its log along. */
	log_set_sink(log_to_stderr, NULL);
	if (strcmp(why, machine_error))
		pr_err("the machine of %s cannot be built: %s", session_dir(session), why);
	memcpy(machine_error, why, sizeof(why));
	return machine_errno(ret);
}

int door_machine(struct uvfio_machine **out)
{
	struct uvfio_machine *machine = atomic_load(&door_machine_ptr);
	struct session *session = door_session();
	int ret = 0;

	if (machine) {
		*out = machine;
		return 0;
	}
	if (!session)
		return -ENODEV;
	pthread_mutex_lock(&door_lock);
	if (is_shortage(session_error))
		session_error = session_complete(session);
	ret = session_error;
	machine = atomic_load(&door_machine_ptr);
	if (!machine && !ret) {
		ret = attach(session, &machine);
		if (!ret && machine_frames(machine))
			frames_set_huge(machine_frames(machine), huge_page_at);
		if (!ret && kvm_opened)
			machine_use_kvm(machine);
		if (!ret)
			atomic_store_explicit(&door_machine_ptr, machine, memory_order_release);
	}
	pthread_mutex_unlock(&door_lock);
	*out = machine;
	return ret;
}

int door_open_file(const char *path, int oflags, struct file **out)
{
	struct uvfio_machine *machine;
	int ret = huge_open_served(path, oflags, out);

	if (ret != 1)
		return ret;
	ret = door_machine(&machine);
	return ret ? ret : machine_open(machine, path, oflags, out);
}

void door_tell_error(void)
{
	char line[512];
	int len;

	if (!session_error || atomic_exchange(&error_told, true))
		return;
	len = snprintf(line, sizeof(line),
		       "uvfio: the session %s cannot be opened: %s; its devices are not there\n",
		       session_dir(the_session), strerror(-session_error));
	if (write(STDERR_FILENO, line, MIN((size_t)len, sizeof(line) - 1)) < 0)
		return;
}

void door_kvm_opened(void)
{
	struct uvfio_machine *machine;

	pthread_mutex_lock(&door_lock);
	kvm_opened = true;
	machine = atomic_load(&door_machine_ptr);
	if (machine)
		machine_use_kvm(machine);
	pthread_mutex_unlock(&door_lock);
}

void door_leave(struct door *door)
{
	if (lib_depth == 1 && atomic_load_explicit(&door_machine_ptr, memory_order_acquire))
		pci_run_deferred();
	depth_leave();
	pthread_setcancelstate(door->cancel_state, &door->cancel_state);
	errno = door->saved_errno;
}

void door_after_fork(void)
{
	struct uvfio_machine *machine = atomic_load(&door_machine_ptr);

	depth_enter();
	pthread_mutex_init(&door_lock, NULL);
	file_after_fork();
	huge_after_fork();
	if (machine)
		machine_after_fork(machine);
	kvm_fds_after_fork();
	inherit_after_fork();
	uevent_after_fork();
	/* A child that opens files of its own gets a machine of its own. */
	atomic_store(&door_machine_ptr, NULL);
	depth_leave();
}
