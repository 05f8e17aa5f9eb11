/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine's objects in this process, and what the files of this folder share.
 *
 * Lock order, outermost first: machine->admin_lock, the session's admin lock (a file), the device
 * core's lock; then everything below the core (docs/locking.md). machine->claims_lock is a leaf.
 */
#ifndef MACHINE_MACHINE_PRIV_H
#define MACHINE_MACHINE_PRIV_H

#include <pthread.h>

#include "device/device.h"
#include "hostmem/hostmem.h"
#include "iommu/iommu.h"
#include "machine/description.h"
#include "machine/machine.h"
#include "machine/session_create.h"
#include "machine/shared.h"
#include "machine/tree.h"
#include "pci/bus.h"
#include "pci/pci.h"
#include "vfio/vfio.h"
#include "iommu/bypass.h"

struct kvm_assign;

#define SYSFS_PATH_MAX 1024
#define NO_GROUP       (~0U)
#define MACHINE_GROUPS 4096
/* Removals of mediated devices that one process waits for at a time and that a fork knows. */
#define MACHINE_MDEV_CLAIMS 32
#define GROUP_TYPE_SIZE	    16

/* A domain's root bus. */
struct machine_bus {
	struct list_head node;
	uint32_t number;      /* domain << 8 | bus; the bus is 0: root buses have such an object */
	struct device bridge; /* "pci0000:00" */
};

/* A function of the description, a port or a host bridge: there may be no object for it
 * (removed). */
struct machine_function {
	struct list_head node; /* machine->functions, in the order of discovery */
	struct uvfio_machine *machine;
	uint32_t rid;
	char name[PCI_ADDRESS_LEN];
	char path[128]; /* its directory; set when it was found first, constant then */
	const struct description_device *desc; /* NULL: a port or host bridge */
	uint32_t secondary;		       /* of a port: domain << 8 | bus */
	bool acs;			       /* of a port: it isolates what is behind it */
	struct machine_function *port;	       /* above it; NULL: on a root bus */
	struct machine_bus *root;	       /* of its domain */
	struct machine_function *physfn;       /* of a virtual function: its PF, and which it is */
	unsigned int vf_index;
	bool host_bridge;
	_Atomic int binding;	    /* enum function_binding; readable without lock */
	struct pci_dev *pdev;	    /* NULL: removed. Guarded by the core's lock */
	struct list_head resources; /* open resourceN files; guarded by the core's lock */
	struct kvm_assign *assign;  /* the VM that has it in the old way; core's lock */
	/* In this process, NO_GROUP: none. What is on disk stands in the slot. */
	_Atomic unsigned int group;
	struct shared_device *slot;
	bool found;		     /* by the rescan that is under way */
	uint32_t incarnation;	     /* the slot's when pdev was made */
	_Atomic int release_fd;	     /* the release claim of this process; -1: none */
	struct pci_stats *own_stats; /* what pdev->stats was before it pointed into the slot */
};

struct machine_group {
	struct uvfio_machine *machine;
	struct iommu_group *group; /* NULL: no such group */
	bool emulated;		   /* of a mediated device */
	unsigned int members;
	char type[GROUP_TYPE_SIZE]; /* what sysfs' `type` says */
	int claim_fd;		    /* guarded by claims_lock; -1: not claimed here */
};

/* Values of module parameters. Guarded by the core's lock; read without it. */
struct machine_params {
	unsigned int dma_entry_limit;
	bool allow_unsafe_interrupts, disable_hugepages, enable_unsafe_noiommu_mode;
	bool disable_denylist, disable_idle_d3, disable_vga, enable_sriov, nointxmask;
};

struct frames;
struct frames_shared;
struct mdev_slot;
struct mdev_table;
struct keeper_client;
struct share_server;

struct uvfio_machine {
	struct session *session;
	struct description *desc;
	struct device_core *core;
	struct tree *tree;
	struct pci_bus *pci;
	struct pci_driver pcieport;
	bool pcieport_registered;
	struct list_head buses, functions;
	struct iommu *iommu; /* NULL: there is none, DMA goes by physical address */
	struct iommu_bypass bypass;
	/* Without an IOMMU (frames.c); NULL, -1. */
	struct frames *frames;
	struct frames_shared *frames_shared;
	int frames_fd;
	struct machine_group groups[MACHINE_GROUPS];
	struct machine_params params;
	struct hostmem *hm;
	struct vfio_core *vfio;
	struct pci_driver *vfio_pci; /* NULL: its module is not loaded */
	struct list_head modules;    /* struct machine_module, the newest first; core's lock */
	struct list_head parents;    /* parents.c; core's lock */
	/* Claims of this process on mediated devices that it takes away; 0: a free place. */
	_Atomic int mdev_claims[MACHINE_MDEV_CLAIMS];
	struct mdev_table *mdevs; /* NULL: the module mdev is not loaded */

	/* What a store asked for and admin.c does after it: `remove` of a function, a rescan.
	 * Guarded by the core's lock. */
	struct machine_function *remove_wanted;
	bool rescan_wanted;
	struct machine_function *vfs_off_wanted; /* of this PF; see admin_remove_vfs() */
	struct mdev_slot *mdev_remove_wanted;
	bool kvm;	     /* machine_use_kvm() was called. Guarded by the core's lock */
	atomic_uint assigns; /* VMs that may have devices of it (assign.c) */

	pthread_mutex_t admin_lock; /* one admin operation or synchronisation at a time */
	bool fork_holds_admin;	    /* the thread that forks has taken it. Guarded by admin_lock */
	int lock_fd; /* the session's admin lock; -1: not held. Guarded by admin_lock */
	_Atomic uint64_t generation; /* of the tree that the objects agree with */

	struct list_head uevents; /* not yet delivered (uevent.c). Guarded by the core's lock */
	bool uevents_sent;	  /* since the last flush */
	bool uevents_foreign;	  /* of a device of the host's */
	int trace_fd;		  /* for what is written at once; -1: nothing is */
	uint64_t trace_seq;	  /* of the last event that went into the trace. Core's lock */
	uint64_t created_usec;	  /* the session is being made: since when; else 0 */
	bool log_to_stderr;	  /* errors also go there */

	pthread_mutex_t claims_lock;
	struct keeper_client *keeper;	      /* NULL: not needed yet. Guarded by claims_lock */
	struct keeper_client *parents_keeper; /* in a child: kept for leak checkers alone */
	/* Who serves files that other processes have fds of; NULL: none has. Set under
	 * claims_lock, for good. */
	_Atomic(struct share_server *) share;
	struct share_server *parents_share; /* as parents_keeper */
};

/* machine.c */

/* Makes all objects of @desc (taken in any case). With @create the tree is written out and drivers
 * are bound as described; without, the objects follow the tree. */
int machine_build(struct session *session, struct description *desc, bool create,
		  struct uvfio_machine **out, char *err, size_t err_size);
struct machine_function *machine_find_function(struct uvfio_machine *machine, const char *name);
struct machine_function *machine_function_of(struct uvfio_machine *machine, struct device *dev);

/* The functions that @desc asks for, with ports and host bridges, without objects: what the session
 * file must have room for. The caller frees *@out. */
int machine_plan(const struct description *desc, struct session_device **out, size_t *count);

/* function.c: objects of one function. Core's lock held. */
int function_create(struct machine_function *fn, unsigned int group, char *err, size_t err_size);
/* The function is unbound and has no children. */
void function_destroy(struct machine_function *fn);
/* Which group a function that is found now belongs to: an existing one or the lowest free
 * number. */
unsigned int function_choose_group(const struct machine_function *fn);
/* The same for a function that is found now: chooses the group and says so in the slot. */
int function_discover(struct machine_function *fn, char *err, size_t err_size);
/* The functions that are not there become so: ports first, then what is behind them. */
void functions_rescan(struct uvfio_machine *machine);

/* group.c. @dev: NULL for the group of a mediated device. */
int group_add(struct uvfio_machine *machine, unsigned int id, struct iommu_dev *dev);
void group_remove(struct uvfio_machine *machine, unsigned int id, struct iommu_dev *dev);
/* The lowest number that no group has, here or on disk; NO_GROUP: all are taken. */
unsigned int machine_free_group(const struct uvfio_machine *machine);
/* Of struct machine_group: with a unit behind it, and made by vfio for a function without one or
 * for a mediated device. */
extern const struct attribute group_attrs[], group_noiommu_attrs[], group_emulated_attrs[];

/* noiommu.c: what the VFIO core asks of a machine without an IOMMU, and the session's user. */
bool env_noiommu(void *machine);
int env_group_alloc(void *machine, struct device *dev, struct iommu_group **out);
void env_group_free(void *machine, struct device *dev);
bool env_capable(void *machine, int cap);
void env_add_taint(void *machine, unsigned int flag);
/* @fn has been released from @driver and nobody has it any more: its group goes, where it was made
 * for it. Admin lock and core's lock held, the tree writes. */
void noiommu_released(struct machine_function *fn, const char *driver);
/* The same without a word. */
void noiommu_drop_group(struct machine_function *fn);
/* The calling thread's effective capabilities as the host has them. */
uint64_t process_effective_caps(void);
extern const struct attribute kernel_sysctls[]; /* of the machine: /proc/sys/kernel */

/* frames.c: physical memory of a machine without an IOMMU. 0 or -errno; destroy in any case. */
int machine_frames_create(struct uvfio_machine *machine, bool create);
void machine_frames_destroy(struct uvfio_machine *machine);

/* names.c: a link "NAME>TARGET"; and away with a name, as tree_remove(). */
int names_add_link(struct tree *tree, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void names_remove(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The directories that are neither device nor driver. Writes when the tree writes. */
int names_add_static(struct uvfio_machine *machine);
/* What the module vfio brings: its classes, /dev/vfio/vfio. */
int names_add_vfio(struct uvfio_machine *machine);
void names_remove_vfio(struct uvfio_machine *machine);
int names_add_function(struct machine_function *fn);
void names_remove_function(struct machine_function *fn);
/* virtfnN and physfn between a PF and its VF. */
int names_add_virtfn(struct machine_function *vf);
void names_remove_virtfn(struct machine_function *vf);
int names_add_driver(struct uvfio_machine *machine, struct device_driver *drv);
int names_add_group(struct uvfio_machine *machine, unsigned int id);
void names_remove_group(struct uvfio_machine *machine, unsigned int id);
/* The links between a function and its group. */
int names_add_membership(struct machine_function *fn);
void names_remove_membership(struct machine_function *fn, unsigned int group);
void names_bound(struct machine_function *fn);
/* Class devices of VFIO that are there in part go. */
void names_drop_torn_vfio(struct uvfio_machine *machine);
void names_unbound(struct machine_function *fn);
/* msi_irqs/ of a function that its user has just given @vectors messages; 0: it goes away. The
 * process that has the group calls it; no lock. */
/* The number of its first message, which no other function of the session has. */
int names_irq_base(const struct machine_function *fn);
void names_set_msi_irqs(struct machine_function *fn, bool msix, unsigned int vectors);
/* names_vfio.c: a group's node and class device, and the class device of the device at @device;
 * nothing unless the tree writes, nor when they are there. */
void names_add_vfio_group(struct uvfio_machine *machine, unsigned int id);
void names_remove_vfio_group(struct uvfio_machine *machine, unsigned int id);
void names_add_vfio_dev(struct uvfio_machine *machine, const char *device);
void names_remove_vfio_devs(struct uvfio_machine *machine, const char *device);
/* Makes /dev/vfio/N, /sys/class/vfio and vfio-dev agree with the bindings on disk. */
void names_update_vfio(struct uvfio_machine *machine);
bool driver_is_vfio(const char *driver);
/* "4", "noiommu-0". */
bool names_parse_group(const char *name, unsigned int *id);

/* admin.c */

/* Objects follow the tree when another process has changed it. Cheap when not. */
void admin_sync(struct uvfio_machine *machine);
/* One write(2) to the text attribute at @path: as the kernel, with all its effects. */
ssize_t admin_store(struct uvfio_machine *machine, const char *path, const char *data, size_t len);
/* Unbinds a device of this process because another process wants it unbound; waits for its user. */
void admin_release_here(struct uvfio_machine *machine, const char *device);
/* Ends the releases whose owners have died, where nobody uses the device any more. */
void admin_end_dead(struct uvfio_machine *machine);
/* The bindings of the description, on a tree that is being written. Core's lock held. */
int admin_bind_described(struct uvfio_machine *machine, char *err, size_t err_size);
/* The bus' and the core's callbacks. */
void admin_want_remove(void *machine, struct pci_dev *dev);
void admin_want_rescan(void *machine, struct pci_dev *dev);
void admin_observe(void *machine, struct device *dev, enum device_change what);

/* All three locks, and objects of the present generation. 0 or -errno. */
int admin_begin(struct uvfio_machine *machine);
void admin_end(struct uvfio_machine *machine);
/* The tree has been changed: other processes follow. Locks held. */
void admin_changed(struct uvfio_machine *machine);
/* Unbinds a function and waits for its user. Locks held, dropped in between; on failure they stay
 * dropped. */
int admin_release(struct machine_function *fn);
/* A slot's release claim for this process (session_claim_release()). Locks held. 0, -errno, -EBUSY:
 * another process has it. */
int admin_claim(struct machine_function *fn);
void admin_unclaim(struct machine_function *fn);
/*
 * vfs.c: virtual functions come and go. The bus' callbacks; then the removal of a PF's VFs, for
 * which this process must have claimed the PF's slot: locks held, dropped in between; on failure
 * they stay dropped. admin_remove_vfs() claims by itself.
 */
int vfs_add(void *machine, struct pci_dev *pf, unsigned int num);
void vfs_want_off(void *machine, struct pci_dev *pf);
void vfs_bound(struct machine_function *vf);
int vfs_remove_claimed(struct machine_function *pf);
int admin_remove_vfs(struct machine_function *pf);
/* What a process that died in between left: as many VFs are enabled as there are. Locks held. */
void vfs_mend(struct uvfio_machine *machine);
/* VF @index of @pf; NULL: it has not so many. */
struct machine_function *vfs_find(const struct machine_function *pf, unsigned int index);
/* admin_remove.c: @fn and what is behind it are released and go. Locks held, dropped in between; on
 * failure they stay dropped. */
int admin_remove(struct machine_function *fn);
/*
 * Locks held. 0: nobody releases @fn. Else they are dropped: 1, the caller has to look again, after
 * a while, or after a release whose owner had died was brought to its end; or -errno.
 */
int admin_wait_released(struct machine_function *fn);
/* The driver's dynamic ids, for other processes. Locks held, the tree writes. */
void admin_write_dynids(struct uvfio_machine *machine, struct device_driver *drv);

/* inject.c: does what the device's slot asks for, when something is wanted. */
void inject_wanted(struct uvfio_machine *machine, const char *device);
/* For struct pci_bus_env. */
int inject_reset(void *machine, struct pci_dev *dev, enum pci_host_reset how);

/*
 * mend.c: a tree that somebody left half written. Whoever is about to write says so with
 * machine_write_begin(); admin_end() calls machine_whole() when all is written. Locks held.
 */
bool machine_torn(const struct uvfio_machine *machine);
void machine_write_begin(struct uvfio_machine *machine);
void machine_write_end(struct uvfio_machine *machine);
void machine_whole(struct uvfio_machine *machine);
/* The tree says again what this process' objects say, which follow it. */
void machine_mend(struct uvfio_machine *machine);

/* modules.c: /sys/module and /proc/modules (machine/modules.h). Core's lock held. */
int modules_add_names(struct uvfio_machine *machine);
void modules_init_params(struct machine_params *params);
/* The modules that a session starts with. */
int modules_start_all(struct uvfio_machine *machine);
void modules_stop_all(struct uvfio_machine *machine);
/* Follow what another process loaded and unloaded; the tree does not write. False: what is loaded
 * cannot be read now. */
bool modules_sync_loaded(struct uvfio_machine *machine);
void modules_sync_unloaded(struct uvfio_machine *machine);

/* env.c: what the vfio core asks. */
void machine_vfio_env(struct uvfio_machine *machine, struct vfio_env *env);
bool group_claimed_here(struct uvfio_machine *machine, unsigned int id);
/* Takes a group for this process: 0, -EBUSY: another one (or this one) has it; -errno. */
int env_group_claim(void *machine, unsigned int id);
void env_group_release(void *machine, unsigned int id);
/* What a function is bound to, for the viability of its group. */
enum function_binding { BINDING_NONE, BINDING_VFIO, BINDING_HARMLESS, BINDING_OTHER };
void machine_fault_sink(void *machine, const struct dma_fault *fault);

/* kmsg.c: the library's messages go to the session's kernel log from now on. */
void kmsg_open(struct uvfio_machine *machine, bool log_to_stderr);
void kmsg_close(struct uvfio_machine *machine);

/* node.c: what a process of the session's user may do with a name whose file on disk is @disk: 0 or
 * -EACCES. */
int machine_check_permission(const struct shared_header *shared, const struct stat *disk,
			     int oflags);

/* sysfs_file.c */
int sysfs_file_open(struct uvfio_machine *machine, const char *path, int oflags, mode_t mode,
		    struct file **out);

#endif
