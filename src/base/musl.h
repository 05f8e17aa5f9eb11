/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Included before everything else in the build for musl (meson.build): the kernel's constants,
 * structs and calls that musl 1.2.3 does not have. Numbers are those of the Linux uAPI.
 */
#ifndef BASE_MUSL_H
#define BASE_MUSL_H

#ifndef __ASSEMBLER__
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef STATX_TYPE
/* <linux/stat.h> comes along with struct statx; its S_ names are those of <sys/stat.h>. */
#include <linux/stat.h>
#endif

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE	 2
#endif

long syscall(long number, ...);

static inline int renameat2(int from_fd, const char *from, int to_fd, const char *to,
			    unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

/* nftw()'s extension of glibc's: no caller has it here. */
#ifndef FTW_ACTIONRETVAL
#define FTW_ACTIONRETVAL  16
#define FTW_STOP	  1
#define FTW_SKIP_SUBTREE  2
#define FTW_SKIP_SIBLINGS 3
#endif
#endif

#endif
