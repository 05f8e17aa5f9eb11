/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session file: what the processes of a session share beside the tree (design D2a). Counters
 * that survive a killed process, the reports of DMA faults, the identity, the generation of the
 * admin state, and for each device a piece for its model's shared state.
 *
 * Pointer-free. Numbers are atomic where several processes write them; the rest is written once by
 * the session's creator before the session is announced. A model's piece is guarded by the robust
 * mutex at its start (pci_shared_lock()).
 */
#ifndef MACHINE_SHARED_H
#define MACHINE_SHARED_H

#include <stdatomic.h>
#include "base/types.h"
#include "iommu/dma.h"
#include "machine/huge_shared.h"
#include "pci/aer.h"
#include "pci/pci.h"

#define SHARED_MAGIC		  0x6f69667675ULL /* "uvfio" */
#define SHARED_VERSION		  6
#define SHARED_MAX_DEVICES	  384 /* with ports and host bridges */
#define SHARED_MAX_FAULTS	  32
#define SHARED_MAX_OWNERS	  128
#define SHARED_MAX_UEVENT_SOCKETS 64

struct shared_device {
	char name[16];	   /* "0000:01:00.0"; "": the slot is free */
	char model[32];	   /* "nvme", "root-port", "host-bridge" */
	uint32_t endpoint; /* of the description: no port, no bridge */
	uint32_t rid;
	/* Which group the function was given when it was found last; ~0: none. Whether it is there
	 * (not removed), and how often it was found. Written under the admin lock. */
	_Atomic uint32_t group, present, incarnation;
	_Atomic uint32_t fresh; /* 1 until the first process has taken the piece */
	/* 1: the names say unbound, and somebody waits for the device's user to give it back: who
	 * holds the slot's release claim (session_claim_release()); nobody, when he died. */
	_Atomic uint32_t unbinding;
	/* Of a PF: 1: its VFs are being taken away, by the holder of the same claim. */
	_Atomic uint32_t vfs_going;
	uint64_t offset, size; /* of the model's piece in the file; size 0: none */
	struct pci_stats stats;
	struct dma_stats dma;
	/* What the process that uses the function shall do with it (inject.c). */
	struct pci_aer_error error;
	uint32_t request;		/* 0: the error happens; else enum pci_host_reset */
	_Atomic uint32_t request_state; /* enum shared_request_state */
	int32_t request_result;
};

/* Set by one asker at a time (session_claim_request()), taken by the function's user. */
enum shared_request_state { SHARED_REQUEST_NONE, SHARED_REQUEST_WANTED, SHARED_REQUEST_DONE };

struct shared_fault {
	_Atomic uint32_t ready; /* written last */
	uint32_t pid;
	char comm[16];		   /* the program's name */
	char name[IOMMU_DEV_NAME]; /* the device's */
	uint64_t iova, len;
	uint32_t write;
	uint32_t reason; /* enum dma_fault_reason */
	char what[DMA_FAULT_WHAT];
};

/* A name whose owner was changed. */
struct shared_owner {
	_Atomic uint64_t ino; /* of the file on disk; 0: the end of the table */
	uint32_t uid, gid;
};

/*
 * A socket on which programs listen to uevents (machine/uevent_socket.h). The keeper gives slots
 * out and takes them back; what stands in one is the program's to set.
 */
struct shared_uevent_socket {
	_Atomic uint64_t ino;	     /* of the program's socket; 0: the slot is free */
	_Atomic uint32_t type;	     /* SOCK_RAW, SOCK_DGRAM: as the program asked */
	_Atomic uint32_t pid;	     /* nl_pid, 0: not bound */
	_Atomic uint32_t groups;     /* bit n: netlink group n + 1 */
	_Atomic uint32_t rcvbuf;     /* bytes, as SO_RCVBUF says */
	_Atomic uint32_t overrun;    /* messages were dropped and the program has not been told */
	_Atomic uint32_t no_enobufs; /* and does not want to be */
	_Atomic uint64_t last_seq;   /* of the last event that was put into it; the keeper's */
};

/* The kernel log (machine/kmsg.h). Written under the lock of the file kmsg. */
struct shared_kmsg {
	_Atomic uint64_t next_seq, first_seq, first_off, clear_seq;
	_Atomic uint32_t wake; /* futex: raised by each record */
};

struct shared_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t file_size;

	/* Who the session's programs are (design D2b). */
	uint32_t uid, gid;
	uint64_t caps;		/* bit n: capability n */
	uint64_t host_caps;	/* those of the creator's, on the host */
	_Atomic uint64_t taint; /* as /proc/sys/kernel/tainted shows it */
	uint64_t memlock;	/* bytes, UINT64_MAX: no limit */
	uint32_t owner;		/* the host's uid of the creator: shown as root */

	/* Raised after each change of the admin state, under the admin lock. */
	_Atomic uint64_t generation;
	/* 1: the holder of the admin lock writes to the tree. Who takes the lock and finds it so
	 * mends what the dead holder left (mend.c). */
	_Atomic uint32_t writing;
	_Atomic uint32_t keeper_epoch; /* futex: raised by each new keeper */
	_Atomic uint64_t faults; /* ever reported; the first SHARED_MAX_FAULTS are kept below */
	struct shared_fault fault[SHARED_MAX_FAULTS];

	_Atomic uint32_t trace; /* which kinds of events go into DIR/trace (trace.h) */

	/* Of the last uevent; raised under the admin lock. */
	_Atomic uint64_t uevent_seqnum;
	/* How many slots below are in use: 0, and events need not be carried to anybody. */
	_Atomic uint32_t num_uevent_sockets;
	_Atomic uint32_t keeper_pid; /* of the present keeper, which is udevd as well */
	struct shared_uevent_socket uevent_socket[SHARED_MAX_UEVENT_SOCKETS];

	struct shared_owner owners[SHARED_MAX_OWNERS];

	/* Which minors of /dev/vfio and numbers of vfio-dev are taken (names_vfio.c). Admin
	 * lock. */
	uint64_t vfio_minors[64], vfio_devs[64];

	struct shared_kmsg kmsg;
	struct shared_huge huge;

	uint32_t num_devices;
	struct shared_device device[]; /* num_devices of them, then the models' pieces */
};

struct session;
struct session_identity;

struct shared_header *session_shared(const struct session *session);
/* The slot of a device, or NULL. */
struct shared_device *shared_find_device(struct shared_header *shared, const char *name);
/* Keeps a fault for the report of `uvfio run`. No locks, any process. */
void shared_report_fault(struct shared_header *shared, const struct dma_fault *fault);
/* "not mapped" for DMA_FAULT_NOT_PRESENT and so on. */
const char *dma_fault_reason_text(uint32_t reason);

#endif
