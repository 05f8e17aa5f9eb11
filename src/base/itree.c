/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A treap ordered by (start, address of the node). Invariants: a node's priority is not above its
 * parent's; subtree_last is the greatest last in the node's subtree.
 */
#include "base/itree.h"

static uint64_t node_subtree_last(const struct itree_node *node)
{
	uint64_t last = node->last;

	if (node->left && node->left->subtree_last > last)
		last = node->left->subtree_last;
	if (node->right && node->right->subtree_last > last)
		last = node->right->subtree_last;
	return last;
}

/* Pseudo-random and fixed for a node's place in memory: a multiplicative hash of its address. */
static uint32_t node_priority(const struct itree_node *node)
{
	uint64_t x = (uint64_t)(uintptr_t)node;

	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return (uint32_t)(x >> 32);
}

static bool node_before(const struct itree_node *a, const struct itree_node *b)
{
	return a->start != b->start ? a->start < b->start : (uintptr_t)a < (uintptr_t)b;
}

static void replace_child(struct itree *tree, struct itree_node *parent, struct itree_node *old,
			  struct itree_node *new)
{
	if (!parent)
		tree->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
	if (new)
		new->parent = parent;
}

/* Lifts @node above its parent. */
static void rotate_up(struct itree *tree, struct itree_node *node)
{
	struct itree_node *parent = node->parent;

	replace_child(tree, parent->parent, parent, node);
	if (parent->left == node) {
		parent->left = node->right;
		if (parent->left)
			parent->left->parent = parent;
		node->right = parent;
	} else {
		parent->right = node->left;
		if (parent->right)
			parent->right->parent = parent;
		node->left = parent;
	}
	parent->parent = node;
	parent->subtree_last = node_subtree_last(parent);
	node->subtree_last = node_subtree_last(node);
}

static void update_upwards(struct itree_node *node)
{
	for (; node; node = node->parent)
		node->subtree_last = node_subtree_last(node);
}

void itree_insert(struct itree *tree, struct itree_node *node)
{
	struct itree_node **link = &tree->root, *parent = NULL;

	while (*link) {
		parent = *link;
		if (parent->subtree_last < node->last)
			parent->subtree_last = node->last;
		link = node_before(node, parent) ? &parent->left : &parent->right;
	}
	node->left = node->right = NULL;
	node->parent = parent;
	node->subtree_last = node->last;
	node->priority = node_priority(node);
	*link = node;
	while (node->parent && node->parent->priority < node->priority)
		rotate_up(tree, node);
}

void itree_remove(struct itree *tree, struct itree_node *node)
{
	while (node->left && node->right)
		rotate_up(tree,
			  node->left->priority > node->right->priority ? node->left : node->right);
	replace_child(tree, node->parent, node, node->left ? node->left : node->right);
	update_upwards(node->parent);
	node->left = node->right = node->parent = NULL;
}

/* The first overlapping node below @node, where one ends at or after @start. */
static struct itree_node *subtree_first(struct itree_node *node, uint64_t start, uint64_t last)
{
	for (;;) {
		/* Anything to the left starts earlier: if one there ends late enough, the first
		 * of those that overlaps, if any does, is to the left. */
		if (node->left && node->left->subtree_last >= start) {
			node = node->left;
			continue;
		}
		if (node->start > last)
			return NULL;
		if (node->last >= start)
			return node;
		if (!node->right || node->right->subtree_last < start)
			return NULL;
		node = node->right;
	}
}

struct itree_node *itree_first(const struct itree *tree, uint64_t start, uint64_t last)
{
	if (!tree->root || tree->root->subtree_last < start)
		return NULL;
	return subtree_first(tree->root, start, last);
}

struct itree_node *itree_next(struct itree_node *node, uint64_t start, uint64_t last)
{
	struct itree_node *child;

	for (;;) {
		if (node->right && node->right->subtree_last >= start)
			return subtree_first(node->right, start, last);
		do {
			child = node;
			node = node->parent;
			if (!node)
				return NULL;
		} while (node->right == child);
		if (node->start > last)
			return NULL;
		if (node->last >= start)
			return node;
	}
}
