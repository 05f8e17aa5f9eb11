/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps of building a description, for its parsers. */
#ifndef MACHINE_DESCRIPTION_PRIV_H
#define MACHINE_DESCRIPTION_PRIV_H

#include "machine/description.h"

/* Adds a device of @model that has no options yet; it belongs to @desc. */
int description_device_begin(struct description *desc, const char *model,
			     struct description_device **out, char *err, size_t err_size);
/* One option. @base: the directory of relative files; NULL: the current one. */
int description_device_set(struct description_device *dev, const char *key, const char *value,
			   const char *base, char *err, size_t err_size);

#endif
