/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors of functions that a user asks for (`uvfio inject`). */
#ifndef MACHINE_INJECT_H
#define MACHINE_INJECT_H

#include "pci/aer.h"

struct uvfio_machine;

/* The error happens in whichever process of the session uses @device, and has been handled when
 * this returns. -ENODEV: no such function; -ETIMEDOUT: the process does not answer; otherwise what
 * pci_aer_inject() says. */
int machine_inject_aer(struct uvfio_machine *machine, const char *device,
		       const struct pci_aer_error *error);

#endif
