/* SPDX-License-Identifier: BSD-3-Clause */
/* What the probes of virtual functions share. */
#ifndef SRIOV_H
#define SRIOV_H

#define DRIVER "/sys/bus/pci/drivers/vfio-pci/"

/* The path of a file of the PF, of VF @i; valid until the next call. */
const char *pf_path(const char *name);
/* What one write of @text returns. */
long file_put(const char *path, const char *text);
/* The text with line breaks as bars; "" when it cannot be read. */
const char *file_get(const char *path);
long set_numvfs(const char *text);
void say_numvfs(void);
/* So many VFs, after none. Ends the probe when that fails. */
void vfs_begin(const char *vfs);
void vfs_end(void);
/* The address of VF @i. */
const char *vf_bdf(unsigned i);
const char *vf_path(unsigned i, const char *name);
/* The last component of what a link leads to, "none" without one. */
const char *link_name(const char *path);

#endif
