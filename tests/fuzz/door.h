/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine with two devices in the fuzzer's process, through the C API. */
#ifndef FUZZ_DOOR_H
#define FUZZ_DOOR_H

#include <stdbool.h>
#include <uvfio/machine.h>

#define FUZZ_DEVICES 2

extern struct uvfio_machine *fuzz_machine;
extern const char *const fuzz_bdf[FUZZ_DEVICES];
extern const char *const fuzz_group[FUZZ_DEVICES];

/* Builds the machine; ends the process when it cannot. */
void fuzz_machine_create(void);
/* Whether a call's result is 0, positive or an errno of Linux. */
bool fuzz_result_ok(long ret);

#endif
