/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file actions of posix_spawn(3), which libc keeps to itself. They are recorded beside libc's
 * own list, by the address of the program's object, so that a child can do them through our doors
 * where they concern files of ours.
 */
#ifndef PRELOAD_SPAWN_ACTIONS_H
#define PRELOAD_SPAWN_ACTIONS_H

#include "preload/real.h"

/*
 * Whether the child must do @actions itself: a name of the tree is opened, an attribute that goes
 * along gets another number, or a relative name is looked up somewhere else.
 */
bool spawn_actions_ours(const posix_spawn_file_actions_t *actions);
/* Does them, in the child. 0 or an error number. */
int spawn_actions_do(const posix_spawn_file_actions_t *actions);

/* Around fork(): the child gets a whole list. */
void spawn_actions_fork_prepare(void);
void spawn_actions_fork_parent(void);
/* In the child of a fork. */
void spawn_actions_after_fork(void);

#endif
