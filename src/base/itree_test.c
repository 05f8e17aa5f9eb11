/* SPDX-License-Identifier: BSD-3-Clause */
/* The interval tree against an array that is searched linearly. */
#include "base/itree.h"

#include <check.h>
#include <stdlib.h>

#define NODES 300

static struct itree_node nodes[NODES];
static bool present[NODES];
static struct itree tree;
static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 33;
}

/* Height, and every invariant of the treap, checked from the root down. */
static int check_node(const struct itree_node *node, const struct itree_node *parent)
{
	uint64_t last;
	int left, right;

	if (!node)
		return 0;
	ck_assert_ptr_eq(node->parent, parent);
	ck_assert(!parent || node->priority <= parent->priority);
	left = check_node(node->left, node);
	right = check_node(node->right, node);
	last = node->last;
	if (node->left) {
		ck_assert_uint_le(node->left->start, node->start);
		last = node->left->subtree_last > last ? node->left->subtree_last : last;
	}
	if (node->right) {
		ck_assert_uint_ge(node->right->start, node->start);
		last = node->right->subtree_last > last ? node->right->subtree_last : last;
	}
	ck_assert_uint_eq(node->subtree_last, last);
	return 1 + (left > right ? left : right);
}

static void check_query(uint64_t start, uint64_t last)
{
	struct itree_node *node;
	bool seen[NODES] = { false };
	uint64_t prev = 0;
	size_t i;

	itree_for_each(node, &tree, start, last) {
		i = (size_t)(node - nodes);
		ck_assert(present[i] && !seen[i]);
		ck_assert_uint_ge(node->start, prev);
		prev = node->start;
		seen[i] = true;
	}
	for (i = 0; i < NODES; i++) {
		bool overlaps = present[i] && nodes[i].start <= last && nodes[i].last >= start;

		ck_assert_int_eq(seen[i], overlaps);
	}
}

START_TEST(test_random_against_linear)
{
	uint64_t a, b;
	size_t i;
	int round;

	random_state = 12345;
	for (round = 0; round < 2500; round++) {
		i = random_next() % NODES;
		if (present[i]) {
			itree_remove(&tree, &nodes[i]);
		} else {
			nodes[i].start = random_next() % 1000;
			nodes[i].last = nodes[i].start + random_next() % (round % 3 ? 10 : 400);
			itree_insert(&tree, &nodes[i]);
		}
		present[i] = !present[i];
		a = random_next() % 1100;
		b = a + random_next() % 60;
		check_query(a, b);
		if (round % 64 == 0)
			check_node(tree.root, NULL);
	}
	check_query(0, UINT64_MAX);
}
END_TEST

START_TEST(test_edges)
{
	struct itree t = { NULL };
	struct itree_node low = { .start = 0, .last = 0 };
	struct itree_node high = { .start = UINT64_MAX, .last = UINT64_MAX };
	struct itree_node all = { .start = 0, .last = UINT64_MAX };

	ck_assert_ptr_null(itree_first(&t, 0, UINT64_MAX));
	itree_insert(&t, &low);
	itree_insert(&t, &high);
	ck_assert_ptr_null(itree_first(&t, 1, UINT64_MAX - 1));
	ck_assert_ptr_eq(itree_first(&t, 0, 0), &low);
	ck_assert_ptr_eq(itree_first(&t, UINT64_MAX, UINT64_MAX), &high);
	ck_assert_ptr_eq(itree_next(&low, 0, UINT64_MAX), &high);
	itree_insert(&t, &all);
	ck_assert_ptr_eq(itree_first(&t, 5, 5), &all);
	itree_remove(&t, &low);
	itree_remove(&t, &all);
	itree_remove(&t, &high);
	ck_assert_ptr_null(t.root);
}
END_TEST

START_TEST(test_ascending_stays_shallow)
{
	size_t n = 20000, i;
	struct itree_node *many = calloc(n, sizeof(*many));
	struct itree t = { NULL };

	ck_assert_ptr_nonnull(many);
	for (i = 0; i < n; i++) {
		many[i].start = i * 4096;
		many[i].last = i * 4096 + 4095;
		itree_insert(&t, &many[i]);
	}
	/* A treap of n nodes is some 2.9 log2 n high: 42; a list would be 20000. */
	ck_assert_int_lt(check_node(t.root, NULL), 80);
	free(many);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("itree");
	TCase *tcase = tcase_create("itree");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_random_against_linear);
	tcase_add_test(tcase, test_edges);
	tcase_add_test(tcase, test_ascending_stays_shallow);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
