/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/peek.h"

#include <errno.h>

#include "base/sysraw.h"
#include "base/valgrind.h"

#define BAD_HOW (-1)

/*
 * rt_sigprocmask(2) reads the set before it looks at what to do with it: EFAULT or EINVAL, and
 * nothing is changed. A stack grows by this, as by any access. Page 0 is asked about at 8, as NULL
 * is no set. valgrind would take each look for an error of the program's.
 */
bool peek_page(uintptr_t addr)
{
	const uintptr_t word = ALIGN_DOWN(addr, sizeof(ksigset_t)) | sizeof(ksigset_t);

	return valgrind_runs() ||
	       raw_sigprocmask(BAD_HOW, (const ksigset_t *)word, NULL) != -EFAULT;
}

bool peek_range(const void *from, size_t len)
{
	uintptr_t page = ALIGN_DOWN((uintptr_t)from, HOST_PAGE_SIZE), last;

	if (!len)
		return true;
	if (__builtin_add_overflow((uintptr_t)from, len - 1, &last))
		return false;
	for (; page <= last; page += HOST_PAGE_SIZE)
		if (!peek_page(page))
			return false;
	return true;
}

/* @page: the last one that was found to be there. */
static bool string_after(const char *text, uintptr_t *page)
{
	for (;; text++) {
		if (ALIGN_DOWN((uintptr_t)text, HOST_PAGE_SIZE) != *page) {
			if (!peek_page((uintptr_t)text))
				return false;
			*page = ALIGN_DOWN((uintptr_t)text, HOST_PAGE_SIZE);
		}
		if (!*text)
			return true;
	}
}

/* No page has an odd address. */
#define NO_PAGE 1UL

bool peek_string(const char *text)
{
	uintptr_t page = NO_PAGE;

	return string_after(text, &page);
}

bool peek_strings(char *const list[])
{
	uintptr_t page = NO_PAGE;

	for (; list; list++) {
		if (!peek_range(list, sizeof(*list)))
			return false;
		if (!*list)
			return true;
		if (!string_after(*list, &page))
			return false;
	}
	return true;
}
