/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of the library's own (design D9). */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

/*
 * Starts a joinable thread that blocks every signal but the synchronous ones, has its library depth
 * raised for good, carries @name (at most 15 characters) and runs on the CPUs that the process was
 * allowed at start, not those of the caller. 0 or -errno.
 */
int thread_create(pthread_t *thread, const char *name, void *(*fn)(void *), void *arg);

/* The CPUs that the process may use: 1 changes waiting strategies everywhere. */
int thread_cpus(void);

/* Notes the CPUs that the calling thread is allowed as the process's, once. Call it before the
 * program can have pinned its threads; otherwise the first of the two above does. */
void thread_note_cpus(void);

#endif
