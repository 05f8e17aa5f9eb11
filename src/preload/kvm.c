/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/kvm and of VMs that have to do with devices. A VM's books (kvm/kvm.h) are kept
 * from its creation on, so that a device that is assigned later finds the slots and routes that
 * were set before.
 *
 * Some end here: device assignment in the old way, which KVM has no more (kvm/assigned_dev.h), the
 * KVM-VFIO device, which would not know our files, and the capabilities of both. Slots, routes,
 * irqfds, the irqchip and vCPUs are noted on their way to KVM. All else is not looked at.
 *
 * A slot over a mapped BAR whose pages have effects: a guest's access raises no signal in this
 * process, so that KVM does not hear of the slot. The guest exits to its VMM, which does the access
 * itself (design D4).
 */
#include "preload/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "kvm/kvm.h"
#include "machine/assign.h"
#include "machine/machine.h"
#include "preload/door.h"
#include "preload/huge.h"
#include "uapi/kvm.h"

/* What an ioctl's function returns when KVM is to be asked as if we were not there. */
#define TO_KVM LONG_MIN

/* A slot that KVM was not told of. */
struct kvm_absent {
	struct list_head node;
	uint32_t slot;
};

/* ---- capabilities ---------------------------------------------------------------------------- */

static long check_extension(unsigned long cap)
{
	int ret = kvm_assign_check_extension(cap, !machine_without_iommu(door_session()));

	return ret < 0 ? TO_KVM : ret;
}

/* ---- slots ----------------------------------------------------------------------------------- */

/* Whether a guest may have [@addr, @addr + @len) as memory: no page of a BAR whose loads or stores
 * have effects now, or had at any time, as a doorbell that is being polled. */
static bool is_memory(uintptr_t addr, uint64_t len)
{
	uint64_t done, run, off;
	struct file *file;
	bool plain = true;

	if (!file_find_mapping(addr, len, NULL, NULL))
		return true;
	for (done = 0; done < len && plain; done += run) {
		run = file_mapping_run(addr + done, len - done);
		if (!file_find_mapping(addr + done, HOST_PAGE_SIZE, &file, &off) || !file)
			continue;
		plain = !file_has_trapped(file, off, run);
		file_put(file);
	}
	return plain;
}

static struct kvm_absent *find_absent(struct kvm_vm *vm, uint32_t slot)
{
	struct kvm_absent *absent;

	list_for_each_entry(absent, &vm->absent, node)
		if (absent->slot == slot)
			return absent;
	return NULL;
}

/* A slot that KVM has by that number goes: its pages were memory when it came. As in KVM it cannot
 * be given other pages. */
static long take_from_kvm(struct kvm_vm *vm, const struct kvm_userspace_memory_region *mem)
{
	struct kvm_userspace_memory_region gone = { .slot = mem->slot };
	struct kvm_memory_slot slot;

	if (!kvm_slot_by_id(vm->kvm, mem->slot, &slot))
		return 0;
	if (slot.userspace_addr != mem->userspace_addr ||
	    slot.npages != mem->memory_size >> HOST_PAGE_SHIFT)
		return -EINVAL;
	return kvm_set_memory_region(vm->kvm, &gone);
}

static long leave_out(struct kvm_vm *vm, const struct kvm_userspace_memory_region *mem)
{
	struct kvm_absent *absent = find_absent(vm, mem->slot);
	long ret;

	if (absent)
		return 0;
	absent = FAIL_POINT() ? NULL : malloc(sizeof(*absent));
	if (!absent)
		return -ENOMEM;
	ret = take_from_kvm(vm, mem);
	if (ret) {
		free(absent);
		return ret;
	}
	absent->slot = mem->slot;
	list_add(&absent->node, &vm->absent);
	return 0;
}

static long put_region(struct kvm_vm *vm, struct kvm_userspace_memory_region *mem)
{
	struct kvm_absent *absent = find_absent(vm, mem->slot);
	struct kvm_memory_slot slot;

	/* As KVM says of any slot; what is left out does not get there. */
	if ((mem->memory_size | mem->guest_phys_addr | mem->userspace_addr) & ~HOST_PAGE_MASK)
		return -EINVAL;
	if (mem->memory_size && !is_memory(mem->userspace_addr, mem->memory_size))
		return leave_out(vm, mem);
	/* One that KVM was given past the books goes past them. */
	if (!mem->memory_size && !absent && !kvm_slot_by_id(vm->kvm, mem->slot, &slot))
		return TO_KVM;
	if (absent) {
		list_del(&absent->node);
		free(absent);
		if (!mem->memory_size)
			return 0;
	}
	return kvm_set_memory_region(vm->kvm, mem);
}

/* Also of the younger ioctl, whose structure begins with the older one's. */
static long set_user_memory_region(struct kvm_vm *vm, int fd, unsigned long arg)
{
	struct kvm_userspace_memory_region mem;
	long ret;

	if (copy_from_user(&mem, arg, sizeof(mem)))
		return TO_KVM;
	/* Address spaces besides the first, memory that the program cannot see: no device's. */
	if (mem.slot >> 16 || mem.flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return TO_KVM;
	pthread_mutex_lock(&vm->lock);
	ret = put_region(vm, &mem);
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static long set_gsi_routing(struct kvm_vm *vm, int fd, unsigned long arg)
{
	struct kvm_irq_routing_entry *entries = NULL;
	struct kvm_irq_routing head;
	long ret = TO_KVM;

	if (copy_from_user(&head, arg, sizeof(head)) || head.nr > KVM_MAX_IRQ_ROUTES)
		return TO_KVM;
	if (head.nr) {
		entries = FAIL_POINT() ? NULL : calloc(head.nr, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
	}
	if (!head.nr || !copy_from_user(entries, arg + sizeof(head), head.nr * sizeof(*entries)))
		ret = kvm_set_irq_routing(vm->kvm, entries, head.nr, head.flags);
	free(entries);
	return ret;
}

static long irqfd(struct kvm_vm *vm, int fd, unsigned long arg)
{
	struct kvm_irqfd args;

	if (copy_from_user(&args, arg, sizeof(args)))
		return TO_KVM;
	return kvm_irqfd(vm->kvm, &args);
}

static long create_irqchip(struct kvm_vm *vm, int fd, unsigned long arg)
{
	return kvm_create_irqchip(vm->kvm);
}

static long create_vcpu(struct kvm_vm *vm, int fd, unsigned long arg)
{
	long vcpu = sysraw3(SYS_ioctl, fd, KVM_CREATE_VCPU, (long)arg);

	if (vcpu < 0)
		return vcpu;
	kvm_fd_add((int)vcpu, KVM_FD_VCPU, vm);
	/* Without it in the books interrupts go the long way. */
	kvm_add_vcpu(vm->kvm, (unsigned int)arg, (int)vcpu);
	return vcpu;
}

/* ---- the KVM-VFIO device --------------------------------------------------------------------- */

struct kvm_device_file {
	struct kvm_vm *vm;
	struct kvm_vfio *kv;
};

static void device_release(struct file *file)
{
	struct kvm_device_file *df = file->priv;

	kvm_vfio_destroy(df->kv);
	kvm_vm_put(df->vm);
	free(df);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kvm_device_file *df = file->priv;
	struct kvm_device_attr attr;

	if (cmd != KVM_SET_DEVICE_ATTR && cmd != KVM_GET_DEVICE_ATTR && cmd != KVM_HAS_DEVICE_ATTR)
		return -ENOTTY;
	if (cmd == KVM_GET_DEVICE_ATTR)
		return -EPERM;
	if (copy_from_user(&attr, arg, sizeof(attr)))
		return -EFAULT;
	return cmd == KVM_SET_DEVICE_ATTR ? kvm_vfio_set_attr(df->kv, &attr)
					  : kvm_vfio_has_attr(df->kv, &attr);
}

static const struct file_operations device_ops = {
	.name = "kvm-vfio",
	.release = device_release,
	.ioctl = device_ioctl,
};

static int make_device(struct kvm_vm *vm)
{
	struct kvm_device_file *df = FAIL_POINT() ? NULL : calloc(1, sizeof(*df));
	struct file *file;
	int ret;

	if (!df)
		return -ENOMEM;
	ret = kvm_vfio_create(vm->kvm, &df->kv);
	if (ret) {
		free(df);
		return ret;
	}
	df->vm = vm;
	kvm_vm_get(vm);
	ret = file_alloc(&device_ops, df, O_RDWR | O_CLOEXEC, 0, &file);
	if (ret) {
		kvm_vfio_destroy(df->kv);
		kvm_vm_put(vm);
		free(df);
		return ret;
	}
	ret = file_install(file, O_RDWR | O_CLOEXEC);
	if (ret < 0)
		file_put(file);
	return ret;
}

static long create_device(struct kvm_vm *vm, int fd, unsigned long arg)
{
	struct kvm_create_device cd;
	int ret;

	if (copy_from_user(&cd, arg, sizeof(cd)) || cd.type != KVM_DEV_TYPE_VFIO)
		return TO_KVM;
	if (cd.flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	ret = make_device(vm);
	if (ret < 0)
		return ret;
	cd.fd = (uint32_t)ret;
	return copy_to_user(arg, &cd, sizeof(cd));
}

/* ---- device assignment in the old way -------------------------------------------------------- */

static long assign_ioctl(struct kvm_vm *vm, unsigned int cmd, unsigned long arg)
{
	struct uvfio_machine *machine;
	struct kvm_assign *assign;
	int ret = door_machine(&machine);

	if (ret)
		return ret;
	pthread_mutex_lock(&vm->lock);
	if (!vm->assign)
		ret = machine_assign_create(machine, vm->kvm, huge_page_at, &vm->assign);
	assign = vm->assign;
	pthread_mutex_unlock(&vm->lock);
	return ret ? ret : kvm_vm_ioctl_assigned_device(assign, cmd, arg);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

#ifndef KVM_SET_USER_MEMORY_REGION2
/* 160 bytes: the older structure, guest_memfd_offset, guest_memfd and padding. */
#define KVM_SET_USER_MEMORY_REGION2 _IOC(_IOC_WRITE, KVMIO, 0x49, 160)
#endif

/* Commands of a VM's fd. @fd is the program's. */
static const struct vm_ioctl {
	unsigned int cmd;
	long (*fn)(struct kvm_vm *vm, int fd, unsigned long arg);
} vm_ioctls[] = {
	{ KVM_SET_USER_MEMORY_REGION, set_user_memory_region },
	{ KVM_SET_USER_MEMORY_REGION2, set_user_memory_region },
	{ KVM_SET_GSI_ROUTING, set_gsi_routing },
	{ KVM_IRQFD, irqfd },
	{ KVM_CREATE_IRQCHIP, create_irqchip },
	{ KVM_CREATE_VCPU, create_vcpu },
	{ KVM_CREATE_DEVICE, create_device },
};

static long vm_ioctl(struct kvm_vm *vm, int fd, unsigned int cmd, unsigned long arg)
{
	if (cmd == KVM_CHECK_EXTENSION)
		return check_extension(arg);
	for (size_t i = 0; i < ARRAY_SIZE(vm_ioctls); i++)
		if (vm_ioctls[i].cmd == cmd)
			return vm_ioctls[i].fn(vm, fd, arg);
	if (kvm_assign_is_ioctl(cmd))
		return assign_ioctl(vm, cmd, arg);
	return TO_KVM;
}

/* The new VM's books; without memory for them KVM has it alone. */
static void note_vm(int fd)
{
	struct kvm_config config = { .real = true, .vm_fd = fd };
	struct kvm_vm *vm = FAIL_POINT() ? NULL : calloc(1, sizeof(*vm));

	if (!vm)
		return;
	if (kvm_create(&config, &vm->kvm)) {
		free(vm);
		return;
	}
	pthread_mutex_init(&vm->lock, NULL);
	list_init(&vm->absent);
	vm->refs = 1;
	kvm_fd_add(fd, KVM_FD_VM, vm);
	kvm_vm_put(vm);
}

static long system_ioctl(int fd, unsigned int cmd, unsigned long arg)
{
	long vm;

	if (cmd == KVM_CHECK_EXTENSION)
		return check_extension(arg);
	if (cmd != KVM_CREATE_VM)
		return TO_KVM;
	vm = sysraw3(SYS_ioctl, fd, KVM_CREATE_VM, (long)arg);
	if (vm >= 0)
		note_vm((int)vm);
	return vm;
}

bool kvm_door_ioctl(int *ret, int fd, unsigned long request, unsigned long arg)
{
	/* As the kernel takes it: programs hand it on as an int, which may be negative. */
	const unsigned int cmd = (unsigned int)request;
	struct kvm_vm *vm = NULL;
	enum kvm_fd_kind kind;
	struct door door;
	long val = TO_KVM;

	door_enter(&door);
	if (kvm_fd_find(fd, &kind, &vm)) {
		if (kind == KVM_FD_SYSTEM)
			val = system_ioctl(fd, cmd, arg);
		else if (kind == KVM_FD_VM)
			val = vm_ioctl(vm, fd, cmd, arg);
		else if (kind == KVM_FD_DEAD && kvm_assign_is_ioctl(cmd))
			val = -EIO;
	}
	if (vm)
		kvm_vm_put(vm);
	if (val == TO_KVM) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, val);
	return true;
}

void kvm_fd_stale(int fd)
{
	struct door door;

	door_enter(&door);
	kvm_fd_forget(fd);
	door_leave(&door);
}

void kvm_vm_end(struct kvm_vm *vm)
{
	struct kvm_absent *absent, *tmp;
	struct uvfio_machine *machine = atomic_load(&door_machine_ptr);

	machine_assign_destroy(machine, vm->assign);
	kvm_destroy(vm->kvm);
	list_for_each_entry_safe(absent, tmp, &vm->absent, node) {
		list_del(&absent->node);
		free(absent);
	}
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}
