/* SPDX-License-Identifier: BSD-3-Clause */
/* A balanced interval tree of nodes with inclusive ends; intervals may overlap. No locks, no
 * allocation: nodes are embedded in the caller's objects. */
#ifndef BASE_ITREE_H
#define BASE_ITREE_H

#include "base/types.h"

struct itree_node {
	struct itree_node *left, *right, *parent;
	uint64_t start, last; /* inclusive */
	uint64_t subtree_last;
	uint32_t priority;
};

struct itree {
	struct itree_node *root;
};

void itree_insert(struct itree *tree, struct itree_node *node);
void itree_remove(struct itree *tree, struct itree_node *node);
/* The node with the lowest start that overlaps [@start, @last]; NULL if none. */
struct itree_node *itree_first(const struct itree *tree, uint64_t start, uint64_t last);
/* The next overlapping node in order of start. */
struct itree_node *itree_next(struct itree_node *node, uint64_t start, uint64_t last);

#define itree_for_each(node, tree, start, last) \
	for (node = itree_first(tree, start, last); node; node = itree_next(node, start, last))

#endif
