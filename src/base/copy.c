/* SPDX-License-Identifier: BSD-3-Clause */
/* The C side of copy.S: the exception table's look-up and the uaccess names. */
#include "base/copy.h"

#include <errno.h>

#include "base/copy_priv.h"

/* Each field is an offset from its own address, so that the table needs no relocation. */
struct extable_entry {
	int32_t from, to, fixup;
};

extern const struct extable_entry copy_extable[] __attribute__((visibility("hidden")));
extern const struct extable_entry copy_extable_end[] __attribute__((visibility("hidden")));

static uintptr_t rel_target(const int32_t *field)
{
	return (uintptr_t)field + (uintptr_t)(intptr_t)*field;
}

uintptr_t copy_fixup(uintptr_t ip)
{
	const struct extable_entry *e;

	for (e = copy_extable; e < copy_extable_end; e++)
		if (ip >= rel_target(&e->from) && ip < rel_target(&e->to))
			return rel_target(&e->fixup);
	return 0;
}

int copy_from_user(void *dst, uintptr_t uaddr, size_t len)
{
	return copy_nofault(dst, (const void *)uaddr, len) ? -EFAULT : 0;
}

int copy_to_user(uintptr_t uaddr, const void *src, size_t len)
{
	return copy_nofault((void *)uaddr, src, len) ? -EFAULT : 0;
}
