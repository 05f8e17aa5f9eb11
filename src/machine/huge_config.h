/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's option `hugepages`. */
#ifndef MACHINE_HUGE_CONFIG_H
#define MACHINE_HUGE_CONFIG_H

#include "base/types.h"

enum huge_mode {
	HUGE_AUTO, /* served, unless the host has usable ones */
	HUGE_FAKE,
	HUGE_HOST, /* the session does not look at huge pages */
	HUGE_NONE, /* served, and there are none to be had */
};

struct huge_config {
	enum huge_mode mode;
	uint64_t bytes; /* of 2 MiB pages that are there from the start */
};

/* "fake", "fake:512M", "host", "none". 0, or -EINVAL with a sentence in @err. */
int huge_config_parse(const char *text, struct huge_config *config, char *err, size_t err_size);

#endif
