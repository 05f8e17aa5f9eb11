/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the drivers in the models' unit tests have in common: a function of a model at
 * 0000:01:00.0, a real IOMMU domain over one piece of memory, triggers on its vectors. A model's
 * testdrv.c defines drv_model, and adds what its registers and queues need. Everything fails the
 * running check test when it does not work.
 */
#ifndef MODELS_TESTFUNC_H
#define MODELS_TESTFUNC_H

#include <check.h>

#include "iommu/dma.h"
#include "pci/model.h"
#include "pci/msi.h"
#include "pci/pci.h"

#define DRV_PAGE     4096u
#define DRV_BAD_IOVA 0x7000000000ULL /* nothing is mapped there */

extern const struct pci_model *const drv_model;
extern struct pci_dev *drv_dev;

/* Makes the function, powers it and maps memory; @options are "key=value", ending with NULL. */
void drv_plug(const char *const *options);
/* VF @index of it, which the test has enabled in config space; same memory, same IOVAs. */
struct pci_dev *drv_plug_vf(unsigned int index);
/* The same for another function that depends on it; drv_unplug() destroys it. */
void drv_attach(struct pci_dev *dev, unsigned int index);
/* Takes all of that away again. */
void drv_unplug(void);
/* Just the parsing: the message, or NULL when the options are fine. */
const char *drv_refused(const char *const *options);

/* Memory that the device can reach; zeroed, page aligned. */
void *drv_alloc(size_t size);
iova_t drv_iova(const void *p);
/* Maps the page @p of that memory at @iova as well, with IOMMU_READ and IOMMU_WRITE in @prot. */
void drv_map_page(iova_t iova, const void *p, unsigned int prot);
/* All mappings go. */
void drv_unmap(void);

/* BAR 0. */
uint64_t drv_read(uint32_t off, unsigned int width);
void drv_write(uint32_t off, unsigned int width, uint64_t value);

/* A trigger on a vector; how often it was signalled. */
void drv_connect(enum pci_irq_type type, unsigned int vector);
uint64_t drv_signals(unsigned int vector);
void drv_disconnect(void);

/* For main(): runs the cases, returns the exit status. */
int drv_main(const char *name, TCase *const *cases, size_t n);

#endif
