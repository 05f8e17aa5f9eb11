/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine's description: the IOMMU and the devices with their options, from "MODEL[,key=value…]"
 * as behind `-d` or from an INI file. Parsing and checking only; machine/machine.c makes the
 * objects.
 *
 * Every failing function puts one sentence into @err that names the thing, the value and the way
 * out, and returns -EINVAL (or -ENOMEM, or what open(2) said).
 */
#ifndef MACHINE_DESCRIPTION_H
#define MACHINE_DESCRIPTION_H

#include "base/types.h"
#include "machine/huge_config.h"
#include "pci/model.h"
#include "pci/sriov.h"

enum description_iommu { DESCRIPTION_IOMMU_AMD, DESCRIPTION_IOMMU_INTEL, DESCRIPTION_IOMMU_NONE };

struct description_option {
	char *key, *value;
};

struct description_device {
	const struct pci_model *model;
	uint32_t rid; /* domain << 16 | bus << 8 | devfn */
	bool placed;  /* `at=` was given, or description_finish() chose */
	bool acs;     /* the port above isolates; false: port and function share a group */
	bool mmap;    /* BARs may be mapped */
	bool aer;     /* has Advanced Error Reporting in any case */
	char *driver; /* bound at start: "vfio-pci", "none", ... */
	struct description_option *options; /* the model's own */
	size_t num_options;
	char *backing;		    /* "backing": where a disk in memory is kept; "" at first */
	char *net_dir;		    /* "net-dir": where the session keeps wires; "" at first */
	struct model_config config; /* what the model sees of them */
};

struct description {
	enum description_iommu iommu;
	bool iommu_given;
	/* vfio's enable_unsafe_noiommu_mode at the start. Not in the session's own form. */
	bool noiommu;
	uint32_t trace;		 /* from the start on (machine/trace.h); the session file has it */
	struct huge_config huge; /* not in the session's own form: the session file has it */
	char **modules; /* shared objects with parents of mediated devices, absolute paths */
	size_t num_modules;
	/* Names of the session's own modules to load at the start, blanks between them; NULL: none
	 * but those that the devices want. Not in the session's own form. */
	char *load;
	struct description_device **devices;
	size_t num_devices;
};

/* Options that every device has; ends with key == NULL. */
extern const struct model_option description_common_options[];

int description_create(struct description **out);
void description_free(struct description *desc);
/* "amd", "intel", "none". */
int description_set_iommu(struct description *desc, const char *name, char *err, size_t err_size);
/* "on", "off". */
int description_set_noiommu(struct description *desc, const char *text, char *err, size_t err_size);
/* "fake", "fake:SIZE", "host", "none". */
int description_set_hugepages(struct description *desc, const char *text, char *err,
			      size_t err_size);
/* The name of a module of the session, or a shared object; @base: the directory of relative names;
 * NULL: the current one. */
int description_add_module(struct description *desc, const char *path, const char *base, char *err,
			   size_t err_size);
/* One device. A comma inside a value is written twice. */
int description_add_device(struct description *desc, const char *text, char *err, size_t err_size);
/*
 * A file: section [machine] with `iommu`, `noiommu`, `hugepages` and `module`; each other section
 * is a device, whose name is free or an address, with `model` and the options. Relative `file` and
 * `module` are relative to the INI file.
 */
int description_parse_file(struct description *desc, const char *path, char *err, size_t err_size);
/* The default machine when no device was given, and addresses in order for those without. */
int description_finish(struct description *desc, char *err, size_t err_size);

/* The session's own form: one -d argument a line. Round trip of a finished description. */
int description_write(const struct description *desc, const char *path);
int description_read(struct description *desc, const char *path, char *err, size_t err_size);
/* The value of one of the model's options as the user gave it, or NULL. */
const char *description_device_option(const struct description_device *dev, const char *key);

/* The virtual functions that the device may have (pci/sriov.h); false: none. */
bool description_vfs(const struct description_device *dev, struct pci_sriov *out);
/* The bus of the last of them, or the device's own; as in rid >> 8. */
uint32_t description_last_bus(const struct description_device *dev);
/* Nobody is where a virtual function of @dev may come to be. 0 or -EINVAL. */
int description_check_vfs(const struct description *desc, const struct description_device *dev,
			  char *err, size_t err_size);

/* "0000:01:00.0", also without the domain. 0 or -EINVAL. */
int pci_address_parse(const char *text, uint32_t *rid);
#define PCI_ADDRESS_LEN 16
char *pci_address_format(uint32_t rid, char buf[PCI_ADDRESS_LEN]);

/* The name of @names (NULL-terminated) that is closest to @word, or NULL when none is near. */
const char *closest_match(const char *word, const char *const *names);

#endif
