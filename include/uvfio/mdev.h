/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A parent of mediated devices in one C file: it offers types, and what the user of an instance
 * does arrives at its operations.
 *
 * Two ways in: a program with a machine of its own registers the parent (uvfio_mdev_register());
 * for unmodified programs the parent is a module, a shared object that `uvfio run --module FILE`
 * loads into each process of the session (UVFIO_MDEV_MODULE). A parent links to nothing: whatever
 * it calls comes with the object it is called with.
 *
 * An instance has two lives. In the session it is made once and goes once: create() and destroy(),
 * in whichever process was asked. In each process that knows it there is an object, struct
 * uvfio_mdev: probe() and remove(). What processes share of a parent or an instance is a state of
 * fixed size without pointers, under a lock.
 *
 * Operations return 0 or a count, and -errno on failure. They may call libc. read, write and reset
 * of one instance run one at a time. No operation may wait for the user of the device.
 */
#ifndef UVFIO_MDEV_H
#define UVFIO_MDEV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Of this interface: goes up when what stood here changes its meaning or place. */
#define UVFIO_MDEV_VERSION 1

struct uvfio_machine;
struct uvfio_mdev;
struct uvfio_mdev_parent;

/** One kind of instance: `mdev_supported_types/<parent's name>-<name>`. */
struct uvfio_mdev_type {
	const char *name;	 /**< letters, digits, '-', '_', '.' */
	const char *pretty_name; /**< what `name` says; NULL: name */
	const char *description; /**< what `description` says; NULL: there is none */
	uintptr_t arg;		 /**< the parent's own */
};

/** Flags of a region: VFIO_REGION_INFO_FLAG_*. */
#define UVFIO_REGION_READ  1u
#define UVFIO_REGION_WRITE 2u
/** Memory, which the library provides (uvfio_mdev_memory()) and the user may map: loads and stores
 * have no effects. Its read and write operations are done by the library. */
#define UVFIO_REGION_MMAP 4u

/** Of a "vfio-pci" device the index says what a region is: 0 to 5 BARs, 6 ROM, 7 config space. */
struct uvfio_mdev_region {
	uint64_t size; /**< bytes, at most 2^40; 0: not there */
	uint32_t flags;
};

/** Flags of an interrupt: VFIO_IRQ_INFO_*. */
#define UVFIO_IRQ_EVENTFD  1u
#define UVFIO_IRQ_MASKABLE 2u
/** A level: uvfio_mdev_irq_raise() to uvfio_mdev_irq_lower(). It is masked when it is delivered,
 * and delivered again when it is unmasked and still high. */
#define UVFIO_IRQ_AUTOMASKED 4u
#define UVFIO_IRQ_NORESIZE   8u

/** Of a "vfio-pci" device the index says what it is: 0 INTx, 1 MSI, 2 MSI-X, 3 error, 4 request. */
struct uvfio_mdev_irq {
	uint32_t count; /**< vectors; 0: not there */
	uint32_t flags;
};

/** What a parent is and does; constant, and there as long as the parent is registered. NULL
 * operations and zeroes mean what is said with them. */
struct uvfio_mdev_ops {
	uint32_t version; /**< UVFIO_MDEV_VERSION */
	uint32_t size;	  /**< sizeof(struct uvfio_mdev_ops) */
	/** Names the device /sys/devices/virtual/uvfio/NAME and begins the names of types. */
	const char *name;
	const char *device_api; /**< "vfio-pci" (NULL), "vfio-platform" ... */
	const struct uvfio_mdev_type *types;
	uint32_t num_types;
	uint32_t num_regions; /**< at most 16 */
	const struct uvfio_mdev_region *regions;
	const struct uvfio_mdev_irq *irqs;
	uint32_t num_irqs;	/**< at most 16 */
	uint32_t max_instances; /**< without available(): how many there may be at once */
	size_t parent_state_size, state_size; /**< bytes of the states; zeroes at first */

	/* In the session. */

	/** How many more instances of @type can be made. NULL: what max_instances leaves. */
	unsigned int (*available)(struct uvfio_mdev_parent *parent,
				  const struct uvfio_mdev_type *type);
	/** The instance is being made: what it needs of the parent is taken here. The error is that
	 * of the write to `create`. */
	int (*create)(struct uvfio_mdev *dev);
	/** Nobody has it any more. */
	void (*destroy)(struct uvfio_mdev *dev);
	/** A process died while it held the lock of the parent, or with @dev of the instance: puts
	 * the state right. */
	void (*recover)(struct uvfio_mdev_parent *parent, struct uvfio_mdev *dev);

	/* In a process. */

	int (*probe)(struct uvfio_mdev *dev);
	void (*remove)(struct uvfio_mdev *dev);
	/** The user opens the device: its memory is there and zero. */
	int (*open)(struct uvfio_mdev *dev);
	/** The last close: whatever is pinned has to be unpinned here. */
	void (*close)(struct uvfio_mdev *dev);
	/** VFIO_DEVICE_RESET. NULL: the device cannot be reset. */
	int (*reset)(struct uvfio_mdev *dev);
	/** Of a region without MMAP. @off and @count lie inside it. Bytes done or -errno. */
	ssize_t (*read)(struct uvfio_mdev *dev, unsigned int region, uint64_t off, void *buf,
			size_t count);
	ssize_t (*write)(struct uvfio_mdev *dev, unsigned int region, uint64_t off, const void *buf,
			 size_t count);
	/** Whether the user may map this piece of a region with MMAP: 0 or -errno. NULL: yes. */
	int (*mmap)(struct uvfio_mdev *dev, unsigned int region, uint64_t off, uint64_t len,
		    int prot);
	/** Somebody wants the device back, and asked @count times before. NULL: interrupt 4 (of
	 * "vfio-pci") tells the user. */
	void (*request)(struct uvfio_mdev *dev, unsigned int count);
	/**
	 * The user unmaps [@iova, @iova + @len): pages pinned there have to be unpinned before
	 * this returns, and are not touched any more. On the user's thread, beside other
	 * operations: take no lock that is held around uvfio_mdev_pin(). Needed for pinning.
	 */
	void (*dma_unmap)(struct uvfio_mdev *dev, uint64_t iova, uint64_t len);
	/**
	 * The memory of the pinned page at @iova is about to be elsewhere: forget its address and
	 * return when nobody uses it. uvfio_mdev_pin() gives the new one, and another
	 * uvfio_mdev_unpin() goes with it. Pin and unpin nothing here. Needed for pinning.
	 */
	void (*dma_moved)(struct uvfio_mdev *dev, uint64_t iova);
};

/** What the library does for parents; called by the functions below. */
struct uvfio_mdev_host {
	uint32_t version;
	uint32_t size;
	int (*pin)(struct uvfio_mdev *dev, uint64_t iova, int num, int writable, void **pages);
	void (*unpin)(struct uvfio_mdev *dev, uint64_t iova, int num);
	int (*copy)(void *to, const void *from, size_t len);
	int (*dma_rw)(struct uvfio_mdev *dev, uint64_t iova, void *data, size_t len, int write);
	int (*irq_raise)(struct uvfio_mdev *dev, unsigned int index, unsigned int vector);
	int (*irq_lower)(struct uvfio_mdev *dev, unsigned int index, unsigned int vector);
	void *(*memory)(struct uvfio_mdev *dev, unsigned int region);
	void (*lock)(struct uvfio_mdev *dev);
	void (*unlock)(struct uvfio_mdev *dev);
	void (*parent_lock)(struct uvfio_mdev_parent *parent);
	void (*parent_unlock)(struct uvfio_mdev_parent *parent);
	void (*log)(const char *text);
};

/** A parent in this process. */
struct uvfio_mdev_parent {
	const struct uvfio_mdev_host *host;
	const struct uvfio_mdev_ops *ops;
	void *state; /**< parent_state_size bytes that the session's processes share, or NULL */
	void *data;  /**< the parent's own */
};

/** An instance in this process. */
struct uvfio_mdev {
	const struct uvfio_mdev_host *host;
	struct uvfio_mdev_parent *parent;
	const struct uvfio_mdev_type *type;
	const char *uuid;
	void *state; /**< state_size bytes that the session's processes share, or NULL */
	void *data;  /**< the parent's own; NULL in create and destroy */
};

/**
 * Pins @num pages (of 4096 bytes, at most 512) of the user's memory from the page of @iova on and
 * gives their addresses. They are read and written by uvfio_mdev_copy() alone, since the program
 * may take them away. 0, or -errno and nothing is pinned: -EINVAL nothing is mapped there, the
 * device is closed, dma_unmap or dma_moved is missing; -EPERM the mapping is read-only; -EACCES
 * type1's version 1 (VFIO_TYPE1_IOMMU); -ENOMEM, also over the memlock limit.
 */
static inline int uvfio_mdev_pin(struct uvfio_mdev *dev, uint64_t iova, int num, int writable,
				 void **pages)
{
	return dev->host->pin(dev, iova, num, writable, pages);
}

/** Takes one uvfio_mdev_pin() of each page back. */
static inline void uvfio_mdev_unpin(struct uvfio_mdev *dev, uint64_t iova, int num)
{
	dev->host->unpin(dev, iova, num);
}

/** Copies to or from pinned pages. 0, or -EFAULT: the memory has gone. */
static inline int uvfio_mdev_copy(struct uvfio_mdev *dev, void *to, const void *from, size_t len)
{
	return dev->host->copy(to, from, len);
}

/** Reads or writes the user's memory at @iova, across mappings. 0, or -errno when a part could not
 * be moved: -EINVAL not mapped, -EPERM the mapping does not allow it, -EFAULT. */
static inline int uvfio_mdev_dma_read(struct uvfio_mdev *dev, uint64_t iova, void *data, size_t len)
{
	return dev->host->dma_rw(dev, iova, data, len, 0);
}

static inline int uvfio_mdev_dma_write(struct uvfio_mdev *dev, uint64_t iova, const void *data,
				       size_t len)
{
	return dev->host->dma_rw(dev, iova, (void *)(uintptr_t)data, len, 1);
}

/** Delivers a vector of interrupt @index, or makes an AUTOMASKED one high. 0, or -EINVAL: there is
 * none. One that the user has not set up goes nowhere. From any thread but a signal's. */
static inline int uvfio_mdev_irq_raise(struct uvfio_mdev *dev, unsigned int index,
				       unsigned int vector)
{
	return dev->host->irq_raise(dev, index, vector);
}

/** An AUTOMASKED one is low again. */
static inline int uvfio_mdev_irq_lower(struct uvfio_mdev *dev, unsigned int index,
				       unsigned int vector)
{
	return dev->host->irq_lower(dev, index, vector);
}

/** The memory of a region with MMAP, from open() to close(); NULL: not open, or no such region. */
static inline void *uvfio_mdev_memory(struct uvfio_mdev *dev, unsigned int region)
{
	return dev->host->memory(dev, region);
}

/** Around the use of dev->state, which other processes have, too. Not recursive. */
static inline void uvfio_mdev_lock(struct uvfio_mdev *dev)
{
	dev->host->lock(dev);
}

static inline void uvfio_mdev_unlock(struct uvfio_mdev *dev)
{
	dev->host->unlock(dev);
}

/** Around the use of parent->state. May be taken with an instance's lock held. */
static inline void uvfio_mdev_parent_lock(struct uvfio_mdev_parent *parent)
{
	parent->host->parent_lock(parent);
}

static inline void uvfio_mdev_parent_unlock(struct uvfio_mdev_parent *parent)
{
	parent->host->parent_unlock(parent);
}

/** A line for the session's kernel log. */
static inline void uvfio_mdev_log(struct uvfio_mdev *dev, const char *text)
{
	dev->host->log(text);
}

/* ---- a module -------------------------------------------------------------------------------- */

/** What a shared object has under the name uvfio_mdev_module. */
struct uvfio_mdev_module {
	uint32_t version;
	uint32_t size;
	const struct uvfio_mdev_ops *ops;
};

#ifdef __cplusplus
#define UVFIO_MDEV_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define UVFIO_MDEV_EXPORT extern __attribute__((visibility("default")))
#endif

/** Makes a module of the file that it stands in. @ops: a const struct uvfio_mdev_ops. */
#define UVFIO_MDEV_MODULE(ops)                                                         \
	UVFIO_MDEV_EXPORT const struct uvfio_mdev_module uvfio_mdev_module;            \
	const struct uvfio_mdev_module uvfio_mdev_module = {                           \
		UVFIO_MDEV_VERSION, (uint32_t)sizeof(struct uvfio_mdev_module), &(ops) \
	}

/* ---- a program with a machine (libuvfio) ----------------------------------------------------- */

/**
 * Registers a parent with @machine, as a module's would be. -EINVAL: a version or a field of @ops
 * that does not serve, -EEXIST: a parent of that name, -ENOMEM. @err (may be NULL) gets one
 * sentence that says what is wrong. *@out is valid until uvfio_mdev_unregister().
 */
int uvfio_mdev_register(struct uvfio_machine *machine, const struct uvfio_mdev_ops *ops,
			struct uvfio_mdev_parent **out, char *err, size_t err_size);

/** Takes the parent's instances and the parent away. -EBUSY: an instance is open. */
int uvfio_mdev_unregister(struct uvfio_machine *machine, struct uvfio_mdev_parent *parent);

#ifdef __cplusplus
}
#endif

#endif
