/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routed addresses: [DMA_ROUTED_BASE, DMA_LOST_BASE), above every host pointer and inside the
 * address field of both table formats. A window owns a part of them and serves DMA there.
 *
 * Lock: window_lock guards the list and the counts of running operations; it is not held while one
 * runs.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/overflow.h"
#include "iommu/iommu_priv.h"

/* So that large leaves can be used. */
#define WINDOW_ALIGN 0x200000ULL

struct window {
	struct list_head node; /* in order of base */
	paddr_t base;
	uint64_t size;
	const struct dma_window_ops *ops;
	void *priv;
	unsigned int running;
};

static pthread_mutex_t window_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t window_idle = PTHREAD_COND_INITIALIZER;
static struct list_head windows = { &windows, &windows };

int dma_window_create(uint64_t size, const struct dma_window_ops *ops, void *priv, paddr_t *base)
{
	struct window *window, *next;
	paddr_t start = DMA_ROUTED_BASE;

	if (!size || size > DMA_LOST_BASE - DMA_ROUTED_BASE)
		return -EINVAL;
	window = calloc(1, sizeof(*window));
	if (!window)
		return -ENOMEM;
	pthread_mutex_lock(&window_lock);
	list_for_each_entry(next, &windows, node) {
		if (next->base - start >= size)
			break;
		start = ALIGN_UP(next->base + next->size, WINDOW_ALIGN);
	}
	if (!range_within(start, size, DMA_LOST_BASE)) {
		pthread_mutex_unlock(&window_lock);
		free(window);
		return -ENOSPC;
	}
	window->base = start;
	window->size = size;
	window->ops = ops;
	window->priv = priv;
	list_add_tail(&window->node, &next->node);
	pthread_mutex_unlock(&window_lock);
	*base = start;
	return 0;
}

static struct window *window_find(paddr_t paddr)
{
	struct window *window;

	list_for_each_entry(window, &windows, node)
		if (paddr >= window->base && paddr - window->base < window->size)
			return window;
	return NULL;
}

void dma_window_destroy(paddr_t base)
{
	struct window *window;

	pthread_mutex_lock(&window_lock);
	window = window_find(base);
	if (window) {
		list_del(&window->node);
		while (window->running)
			pthread_cond_wait(&window_idle, &window_lock);
	}
	pthread_mutex_unlock(&window_lock);
	free(window);
}

void window_after_fork(void)
{
	struct window *window;

	pthread_mutex_init(&window_lock, NULL);
	pthread_cond_init(&window_idle, NULL);
	list_for_each_entry(window, &windows, node)
		window->running = 0;
}

static int window_zero(const struct window *window, uint64_t off, size_t len)
{
	static const uint8_t zeroes[4096];
	int ret = 0;

	while (len && !ret) {
		size_t n = MIN(len, sizeof(zeroes));

		ret = window->ops->write(window->priv, off, zeroes, n);
		off += n;
		len -= n;
	}
	return ret;
}

size_t window_move(paddr_t paddr, void *buf, size_t len, bool write)
{
	struct window *window;
	uint64_t off;
	int ret;

	pthread_mutex_lock(&window_lock);
	window = window_find(paddr);
	if (window)
		window->running++;
	pthread_mutex_unlock(&window_lock);
	if (!window)
		return 0;

	off = paddr - window->base;
	len = MIN(len, window->size - off);
	if (!write)
		ret = window->ops->read(window->priv, off, buf, len);
	else if (buf)
		ret = window->ops->write(window->priv, off, buf, len);
	else
		ret = window_zero(window, off, len);

	pthread_mutex_lock(&window_lock);
	if (--window->running == 0)
		pthread_cond_broadcast(&window_idle);
	pthread_mutex_unlock(&window_lock);
	return ret ? 0 : len;
}
