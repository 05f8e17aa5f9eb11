/* SPDX-License-Identifier: BSD-3-Clause */
/* Circular doubly linked lists with an embedded node, under the names the kernel uses. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/types.h"

struct list_head {
	struct list_head *next, *prev;
};

static inline void list_init(struct list_head *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void list_insert_between(struct list_head *node, struct list_head *prev,
				       struct list_head *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void list_add(struct list_head *node, struct list_head *head)
{
	list_insert_between(node, head, head->next);
}

static inline void list_add_tail(struct list_head *node, struct list_head *head)
{
	list_insert_between(node, head->prev, head);
}

/* Leaves @node an empty list of its own, so that deleting twice is harmless. */
static inline void list_del(struct list_head *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_entry(ptr, type, member)	     container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)

/* The node of @pos by address only: at a list's end @pos is no object, nor aligned like one. */
#define list_node_of(pos, member) \
	((struct list_head *)((char *)(pos) + offsetof(__typeof__(*(pos)), member)))

#define list_for_each_entry(pos, head, member)                         \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); \
	     list_node_of(pos, member) != (head);                      \
	     pos = list_entry(list_node_of(pos, member)->next, __typeof__(*pos), member))

/* The loop's body may delete @pos. */
#define list_for_each_entry_safe(pos, tmp, head, member)                                 \
	for (pos = list_entry((head)->next, __typeof__(*pos), member),                   \
	    tmp = list_entry(list_node_of(pos, member)->next, __typeof__(*pos), member); \
	     list_node_of(pos, member) != (head); pos = tmp,                             \
	    tmp = list_entry(list_node_of(tmp, member)->next, __typeof__(*tmp), member))

#endif
