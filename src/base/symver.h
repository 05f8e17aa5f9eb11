/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Old names of libc's functions, included before everything else (meson.build): glibc 2.34 gave the
 * functions that moved into libc.so from libpthread and libdl a new version. The old ones are the
 * same code, and with them the preload library asks for nothing newer than glibc 2.28 (before 2.34
 * a program must have libpthread and libdl itself, as all with threads and plugins do). A name that
 * a file does not use is not entered.
 */
#ifndef BASE_SYMVER_H
#define BASE_SYMVER_H

#ifndef __ASSEMBLER__
#define SYMVER(name, version) __asm__(".symver " #name "," #name "@GLIBC_" version)

SYMVER(dladdr, "2.2.5");
SYMVER(dlclose, "2.2.5");
SYMVER(dlerror, "2.2.5");
SYMVER(dlmopen, "2.3.4");
SYMVER(dlopen, "2.2.5");
SYMVER(dlsym, "2.2.5");
SYMVER(pthread_attr_setaffinity_np, "2.3.4");
SYMVER(pthread_cancel, "2.2.5");
SYMVER(pthread_condattr_setclock, "2.3.3");
SYMVER(pthread_create, "2.2.5");
SYMVER(pthread_detach, "2.2.5");
SYMVER(pthread_getspecific, "2.2.5");
SYMVER(pthread_join, "2.2.5");
SYMVER(pthread_key_create, "2.2.5");
SYMVER(pthread_kill, "2.2.5");
SYMVER(pthread_mutex_consistent, "2.12");
SYMVER(pthread_mutex_trylock, "2.2.5");
SYMVER(pthread_mutexattr_destroy, "2.2.5");
SYMVER(pthread_mutexattr_init, "2.2.5");
SYMVER(pthread_mutexattr_setpshared, "2.2.5");
SYMVER(pthread_mutexattr_setrobust, "2.12");
SYMVER(pthread_mutexattr_settype, "2.2.5");
SYMVER(pthread_once, "2.2.5");
SYMVER(pthread_rwlock_destroy, "2.2.5");
SYMVER(pthread_rwlock_init, "2.2.5");
SYMVER(pthread_rwlock_rdlock, "2.2.5");
SYMVER(pthread_rwlock_tryrdlock, "2.2.5");
SYMVER(pthread_rwlock_trywrlock, "2.2.5");
SYMVER(pthread_rwlock_unlock, "2.2.5");
SYMVER(pthread_rwlock_wrlock, "2.2.5");
SYMVER(pthread_setaffinity_np, "2.3.4");
SYMVER(pthread_setname_np, "2.12");
SYMVER(pthread_setspecific, "2.2.5");
SYMVER(pthread_testcancel, "2.2.5");
SYMVER(pthread_timedjoin_np, "2.3.3");
SYMVER(sem_destroy, "2.2.5");
SYMVER(sem_init, "2.2.5");
SYMVER(sem_post, "2.2.5");
SYMVER(sem_timedwait, "2.2.5");
SYMVER(sem_trywait, "2.2.5");
SYMVER(sem_wait, "2.2.5");

#undef SYMVER
#endif

#endif
