/* SPDX-License-Identifier: BSD-3-Clause */
/* Intel's 82576 Gigabit Ethernet controller as a PCI function, and its virtual functions. */
#ifndef MODELS_IGB_IGB_H
#define MODELS_IGB_IGB_H

#include "pci/model.h"

extern const struct pci_model igb_model;

/*
 * The physical function's registers as its host-side driver reaches them while no program has the
 * function open: those in the shared state, which are all but queues and interrupts. @reg is an
 * offset in BAR 0. In any process of the session; effects are those of the registers, and VFs are
 * told. No lock held.
 */
uint32_t igb_pf_read(struct pci_dev *pf, uint32_t reg);
void igb_pf_write(struct pci_dev *pf, uint32_t reg, uint32_t value);

/* Room for that driver's own state in the session's file: IGB_PF_DRIVER_STATE bytes, zeroed, the
 * same in all processes. NULL: the function has no shared state. */
#define IGB_PF_DRIVER_STATE 2048
void *igb_pf_driver_state(struct pci_dev *pf);
/*
 * Who is called after a VF was reset, wrote or took something: in the process and on the thread of
 * the VF, its dev->lock held, traps as well. Set once for the process, before there are VFs; NULL:
 * nobody. A program that has the physical function open is rung besides.
 */
void igb_pf_set_driver(void (*events)(struct pci_dev *pf));

#endif
