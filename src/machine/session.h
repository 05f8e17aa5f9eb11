/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session: the directory that `uvfio run` makes, with a true tree of files and symlinks under
 * sys/, dev/ and proc/, the machine's description, the lock file, the shared state of models and
 * the keeper's socket. Opening one is cheap and builds no machine.
 */
#ifndef MACHINE_SESSION_H
#define MACHINE_SESSION_H

#include "base/types.h"

struct session;

/* The environment variable that names the session's directory. */
#define SESSION_ENV "UVFIO_SESSION"

int session_open(const char *dir, struct session **out);
void session_close(struct session *session);
const char *session_dir(const struct session *session);

/*
 * @path: absolute, normalised textually (no //, /./; `..` resolved). True when the session replaces
 * it; then @out is the path in the session's directory. Cheap: prefix tests only, no syscall.
 */
bool session_translate(const struct session *session, const char *path, char *out, size_t size);
/* The reverse, for results that name a path (realpath, getcwd, /proc/self/fd). */
bool session_untranslate(const struct session *session, const char *real, char *out, size_t size);

/* Directories of the host's that the session shows through, with entries replaced (e.g. /sys/class,
 * /dev): true when listing @path must be merged; @out is the session's part of it. */
bool session_overlay(const struct session *session, const char *path, char *out, size_t size);

#endif
