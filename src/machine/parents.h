/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parents of mediated devices that are not ours (<uvfio/mdev.h>): shared objects that the
 * description names, which every process of the session loads for itself when the module vfio_mdev
 * comes, and those that the process registers by itself. The core's lock is held.
 */
#ifndef MACHINE_PARENTS_H
#define MACHINE_PARENTS_H

#include <stddef.h>

struct description;
struct uvfio_machine;
struct uvfio_mdev_ops;
struct uvfio_mdev_parent;

/* Whether all files of @desc can be loaded and say what they should. Without a machine. 0, or
 * -EINVAL with one sentence. */
int parents_check(const struct description *desc, char *err, size_t err_size);
/* Files that cannot be loaded in this process are reported and left out. 0 or -ENOMEM. */
int parents_add_all(struct uvfio_machine *machine);
void parents_remove_all(struct uvfio_machine *machine);
/* As uvfio_mdev_register(); vfio_mdev is loaded. */
int parents_add(struct uvfio_machine *machine, const struct uvfio_mdev_ops *ops,
		struct uvfio_mdev_parent **out, char *err, size_t err_size);
void parents_remove(struct uvfio_machine *machine, struct uvfio_mdev_parent *parent);

#endif
