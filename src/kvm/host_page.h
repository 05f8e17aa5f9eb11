/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How large the pages of the program's memory are (kvm_host_page_size() in the kernel): what its
 * mapping says, 4 KiB but for huge pages of a pool. Transparent huge pages are not counted, as
 * there.
 */
#ifndef KVM_HOST_PAGE_H
#define KVM_HOST_PAGE_H

#include "base/types.h"

struct kvm_host_range {
	uintptr_t start, last; /* inclusive */
	size_t page_size;
};

/* The mappings of huge pages as they were at the time of loading. */
struct kvm_host_pages {
	struct kvm_host_range *ranges; /* in order of start */
	size_t count;
	size_t (*huge_size)(uintptr_t addr);
};

/* @huge_size: who knows of huge pages that the host has not (NULL: nobody); it gives 0 for other
 * addresses. Without memory, or without /proc, all pages are small: that is safe. */
void kvm_host_pages_load(struct kvm_host_pages *hp, size_t (*huge_size)(uintptr_t addr));
void kvm_host_pages_free(struct kvm_host_pages *hp);
size_t kvm_host_page_size(const struct kvm_host_pages *hp, uintptr_t hva);

#endif
