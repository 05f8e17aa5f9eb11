/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Huge mappings are those of which /proc/self/smaps says KernelPageSize above 4 kB. That file costs
 * a walk of all page tables, so it is read only on a host that has pages in a pool at all (Hugetlb
 * in /proc/meminfo).
 */
#include "kvm/host_page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool host_has_pool(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long kb = 0;
	char line[128];

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f) && sscanf(line, "Hugetlb: %lu kB", &kb) != 1)
		;
	fclose(f);
	return kb != 0;
}

static void add_range(struct kvm_host_pages *hp, const struct kvm_host_range *range)
{
	struct kvm_host_range *ranges;

	ranges = realloc(hp->ranges, (hp->count + 1) * sizeof(*ranges));
	if (!ranges)
		return;
	ranges[hp->count++] = *range;
	hp->ranges = ranges;
}

static void read_smaps(struct kvm_host_pages *hp, FILE *f)
{
	struct kvm_host_range range = { 0 };
	unsigned long start, end, kb;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, f) > 0) {
		if (sscanf(line, "KernelPageSize: %lu kB", &kb) == 1) {
			range.page_size = kb << 10;
			if (range.page_size > HOST_PAGE_SIZE)
				add_range(hp, &range);
		} else if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			range.start = start;
			range.last = end - 1;
		}
	}
	free(line);
}

void kvm_host_pages_load(struct kvm_host_pages *hp, size_t (*huge_size)(uintptr_t addr))
{
	FILE *f;

	*hp = (struct kvm_host_pages){ .huge_size = huge_size };
	if (!host_has_pool())
		return;
	f = fopen("/proc/self/smaps", "re");
	if (!f)
		return;
	read_smaps(hp, f);
	fclose(f);
}

void kvm_host_pages_free(struct kvm_host_pages *hp)
{
	free(hp->ranges);
	*hp = (struct kvm_host_pages){ 0 };
}

size_t kvm_host_page_size(const struct kvm_host_pages *hp, uintptr_t hva)
{
	size_t size = hp->huge_size ? hp->huge_size(hva) : 0, low = 0, high = hp->count, mid;

	if (size)
		return size;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (hp->ranges[mid].last < hva)
			low = mid + 1;
		else
			high = mid;
	}
	return low < hp->count && hp->ranges[low].start <= hva ? hp->ranges[low].page_size
							       : HOST_PAGE_SIZE;
}
