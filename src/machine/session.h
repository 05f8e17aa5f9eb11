/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session: the directory that `uvfio run` makes, with a true tree of files and symlinks under
 * sys/, dev/, proc/ and run/, the machine's description, the lock file, the shared state of models
 * and the keeper's socket. Opening one is cheap and builds no machine.
 *
 *   sys/ dev/ proc/ run/	the tree
 *   machine		the description, in the form that description_parse_file() reads
 *   shared		the shared session file (machine/shared.h)
 *   lock		admin lock: held while the tree changes
 *   alive		flock'ed shared by everyone who uses the session; free means stale
 *   keep		the session stays when nobody uses it
 *   claims		byte N is locked by the process that holds IOMMU group N, byte 4096 + N by
 *			the one that unbinds or removes the function in slot N of `shared`
 *   keeper, keeper.sock  the keeper's lock and socket
 *   kmsg		the kernel log
 *   share.PID		socket of a process whose open files other processes use
 *   loaded		the preload library has come up in a process
 *   texts/		texts of the tree that several of its names share
 *   escape		programs that the library cannot come up in may run
 *   disks/		sparse files behind disks without a file of the user's; a symlink when
 *			they are in a directory of their own
 *   hugetlb/		the names on hugetlbfs, a directory for each mount
 *   net/		wires between network ports (net/port.h)
 */
#ifndef MACHINE_SESSION_H
#define MACHINE_SESSION_H

#include "base/types.h"

struct session;

/* The environment variable that names the session's directory. */
#define SESSION_ENV "UVFIO_SESSION"

/* @dir: as in the environment variable. -ENOENT or what open(2) says: no session there. */
int session_open(const char *dir, struct session **out);
/*
 * A session of which only the names are known, because it cannot be opened (another user's, or it
 * has ended): its paths are replaced as ever and lead nowhere. Only the functions below may be
 * called.
 */
int session_open_names(const char *dir, struct session **out);
/* Opens one that is known by its names, in place, when what was short may be there by now. The
 * caller keeps others from doing the same. 0 or -errno. */
int session_complete(struct session *session);
void session_close(struct session *session);
/* Absolute, without symlinks. */
const char *session_dir(const struct session *session);

/*
 * @path: absolute, normalised textually (no //, /./; `..` resolved). True when the session replaces
 * it; then @out is the path in the session's directory. Cheap: prefix tests only, no syscall.
 * A path that is replaced need not exist.
 */
bool session_translate(const struct session *session, const char *path, char *out, size_t size);
/*
 * Of names that the session replaces: files and directories that are as ordinary as on any disk,
 * and are the session's all the same. Programs make, change and remove them.
 */
bool session_private(const char *path);
/* Whether a name that begins with none of /sys, /dev and /proc may be replaced. A few
 * instructions. */
bool session_elsewhere(const char *path);
/* Links to @program, this executable, where programs look for the tools that have a version of the
 * session's, and the directories of session_private(). @modules: what stands in
 * /lib/modules/RELEASE; NULL: nothing. 0 or -errno. */
int session_add_files(struct session *session, const char *program, const char *modules);
/* The reverse, for results that name a path (realpath, getcwd, /proc/self/fd). */
bool session_untranslate(const struct session *session, const char *real, char *out, size_t size);

/*
 * Directories of the host's that the session shows through, with entries replaced (e.g. /sys/class,
 * /dev): true when listing @path must be merged; @out is the session's part of it. The listing is
 * the host's entries that session_translate() leaves alone plus the session's. The host may lack
 * the directory (no /sys mounted): then it is the session's part alone.
 */
bool session_overlay(const struct session *session, const char *path, char *out, size_t size);

/* Called by the preload library when it comes up: the session is in use as long as this process
 * lives, and `uvfio run` sees that the library really loaded. @dir: the environment variable's
 * value. A handful of system calls, keeps errno. */
void session_note_loaded(const char *dir);
/* Whether programs that the library cannot come up in may run outside of the session at @dir. */
bool session_escape_allowed(const char *dir);

#endif
