/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/real.h"

#include <dlfcn.h>

#include "base/depth.h"

static long missing(void)
{
	errno = ENOSYS;
	return -1;
}

static void *missing_pointer(void)
{
	errno = ENOSYS;
	return NULL;
}

void *real_resolve(unsigned int index, const char *name, int pointer)
{
	int saved = errno;
	void *fn;

	depth_enter();
	fn = dlsym(RTLD_NEXT, name);
	depth_leave();
	if (!fn)
		fn = pointer ? (void *)missing_pointer : (void *)missing;
	atomic_store_explicit(&real_functions[index], fn, memory_order_relaxed);
	errno = saved;
	return fn;
}
