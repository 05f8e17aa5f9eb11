/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory slots: the same calls on the software model and, where there is one, a real VM. */
#include "kvm/kvm_fixture.h"

#define PAGE 4096UL
#define MEM  (64 * PAGE)

static unsigned char *memory;

struct step {
	uint32_t slot, flags;
	uint64_t gpa, size, offset; /* offset into the memory */
	int ret;
};

/* Each with the state that the ones before left. */
static const struct step steps[] = {
	{ 0, 0, 0, 0, 0, -EINVAL },			   /* nothing to delete */
	{ 0, 0, 0, 16 * PAGE, 0, 0 },			   /* create */
	{ 0, 0, 0, 16 * PAGE, 0, 0 },			   /* the same again */
	{ 1, 0, 8 * PAGE, PAGE, 0, -EEXIST },		   /* inside */
	{ 1, 0, 15 * PAGE, 2 * PAGE, 0, -EEXIST },	   /* over its end */
	{ 1, 0, 16 * PAGE, 4 * PAGE, 16 * PAGE, 0 },	   /* beside it */
	{ 1, 0, 12 * PAGE, 4 * PAGE, 16 * PAGE, -EEXIST }, /* move into another */
	{ 1, 0, 18 * PAGE, 4 * PAGE, 16 * PAGE, 0 },	   /* move over itself */
	{ 1, 0, 32 * PAGE, 4 * PAGE, 16 * PAGE, 0 },	   /* move away */
	{ 1, 0, 32 * PAGE, 8 * PAGE, 16 * PAGE, -EINVAL }, /* no new size */
	{ 1, 0, 32 * PAGE, 4 * PAGE, 24 * PAGE, -EINVAL }, /* no new memory */
	{ 1, KVM_MEM_READONLY, 32 * PAGE, 4 * PAGE, 16 * PAGE, -EINVAL },
	{ 1, KVM_MEM_LOG_DIRTY_PAGES, 32 * PAGE, 4 * PAGE, 16 * PAGE, 0 },
	{ 1, 1 << 5, 32 * PAGE, 4 * PAGE, 16 * PAGE, -EINVAL },
	{ 2, KVM_MEM_READONLY, 64 * PAGE, PAGE, 0, 0 },
	{ 3, 0, 65 * PAGE + 1, PAGE, 0, -EINVAL },
	{ 3, 0, 65 * PAGE, PAGE + 512, 0, -EINVAL },
	{ 3, 0, 65 * PAGE, PAGE, 12, -EINVAL },
	{ 3, 0, -PAGE, 2 * PAGE, 0, -EINVAL },		      /* wraps */
	{ 3, 0, 1ULL << 52, PAGE, 0, -EINVAL },		      /* no such address */
	{ 3, 0, 65 * PAGE, 1ULL << 43, 0, -EINVAL },	      /* too many pages */
	{ KVM_USER_MEM_SLOTS - 1, 0, 65 * PAGE, PAGE, 0, 0 }, /* the last number */
	{ KVM_USER_MEM_SLOTS, 0, 66 * PAGE, PAGE, 0, -EINVAL },
	{ 0, 0, 0, 0, 1, -EINVAL }, /* a misaligned delete */
	{ 0, 0, 0, 0, 0, 0 },	    /* delete */
	{ 0, 0, 0, 0, 0, -EINVAL },
	{ 3, 0, 8 * PAGE, PAGE, 0, 0 }, /* where it was */
};

static struct kvm_userspace_memory_region region(const struct step *step)
{
	return (struct kvm_userspace_memory_region){
		.slot = step->slot,
		.flags = step->flags,
		.guest_phys_addr = step->gpa,
		.memory_size = step->size,
		.userspace_addr = (uintptr_t)memory + step->offset,
	};
}

static void run_steps(struct kvm *kvm)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct kvm_userspace_memory_region mem = region(&steps[i]);
		int ret = kvm_set_memory_region(kvm, &mem);

		ck_assert_msg(ret == steps[i].ret, "step %zu: %d, not %d", i, ret, steps[i].ret);
	}
}

static void setup(void)
{
	memory = guest_memory(MEM);
}

static void teardown(void)
{
	munmap(memory, MEM);
}

START_TEST(software_model)
{
	struct kvm *kvm = soft_kvm();

	run_steps(kvm);
	kvm_destroy(kvm);
}
END_TEST

/* KVM itself decides what is right: first without us, then through the same books. */
START_TEST(real_kvm_agrees)
{
	int vm = real_vm();
	struct kvm *kvm;

	if (vm < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct kvm_userspace_memory_region mem = region(&steps[i]);
		int ret = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &mem) ? -errno : 0;

		ck_assert_msg(ret == steps[i].ret, "step %zu: KVM says %d, not %d", i, ret,
			      steps[i].ret);
	}
	close(vm);
	kvm = real_kvm(real_vm());
	run_steps(kvm);
	kvm_destroy(kvm);
}
END_TEST

static int set(struct kvm *kvm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
	       uint64_t offset)
{
	struct step step = { slot, flags, gpa, size, offset, 0 };
	struct kvm_userspace_memory_region mem = region(&step);

	return kvm_set_memory_region(kvm, &mem);
}

START_TEST(guest_memory_and_dirty_log)
{
	struct kvm *kvm = soft_kvm();
	uint64_t bitmap[2] = { ~0ULL, ~0ULL }, value = 0x1122334455667788, back = 0;
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bitmap };

	ck_assert_int_eq(set(kvm, 0, 0, 0x10000, 4 * PAGE, 0), 0);
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), -ENOENT);
	/* Across a page boundary. */
	ck_assert_int_eq(kvm_write_guest(kvm, 0x10ffc, &value, 8), 0);
	ck_assert_int_eq(memcmp(memory + 0xffc, &value, 8), 0);
	ck_assert_int_eq(kvm_read_guest(kvm, 0x10ffc, &back, 8), 0);
	ck_assert_uint_eq(back, value);
	ck_assert_int_eq(kvm_write_guest(kvm, 0x13ffc, &value, 8), -EFAULT);
	ck_assert_int_eq(kvm_read_guest(kvm, 0xfff, &back, 2), -EFAULT);
	ck_assert_int_eq(kvm_read_guest(kvm, UINT64_MAX, &back, 2), -EFAULT);

	ck_assert_int_eq(set(kvm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0x10000, 4 * PAGE, 0), 0);
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), 0);
	ck_assert_uint_eq(bitmap[0], 0);
	ck_assert_uint_eq(bitmap[1], ~0ULL); /* 8 bytes for up to 64 pages */
	ck_assert_int_eq(kvm_write_guest(kvm, 0x11ffc, &value, 8), 0);
	ck_assert_int_eq(kvm_read_guest(kvm, 0x10000, &back, 8), 0);
	/* Bits move with the slot, and go with the copy. */
	ck_assert_int_eq(set(kvm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0x20000, 4 * PAGE, 0), 0);
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), 0);
	ck_assert_uint_eq(bitmap[0], 0x6);
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), 0);
	ck_assert_uint_eq(bitmap[0], 0);
	ck_assert_int_eq(kvm_write_guest(kvm, 0x20000, &value, 8), 0);
	log.dirty_bitmap = (void *)8;
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), -EFAULT);
	log.dirty_bitmap = bitmap;
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), 0);
	ck_assert_uint_eq(bitmap[0], 0);
	log.slot = KVM_USER_MEM_SLOTS;
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), -EINVAL);
	log.slot = 7;
	ck_assert_int_eq(kvm_get_dirty_log(kvm, &log), -ENOENT);

	ck_assert_int_eq(set(kvm, 1, KVM_MEM_READONLY, 0x40000, PAGE, 0), 0);
	ck_assert_int_eq(kvm_read_guest(kvm, 0x40ff8, &back, 8), 0);
	ck_assert_int_eq(kvm_write_guest(kvm, 0x40000, &value, 8), -EFAULT);
	kvm_destroy(kvm);
}
END_TEST

/* What a listener was told, as text. */
struct witness {
	struct kvm_slot_listener listener;
	struct kvm *kvm;
	char told[256];
	int answer;
};

static void note(struct witness *witness, const char *what, const struct kvm_memory_slot *slot)
{
	size_t len = strlen(witness->told);

	snprintf(witness->told + len, sizeof(witness->told) - len, "%s%u@%llx%s ", what, slot->id,
		 (unsigned long long)slot->base_gfn,
		 kvm_gfn_to_slot(witness->kvm, slot->base_gfn) == slot ? "" : "!");
}

static int on_map(struct kvm_slot_listener *listener, const struct kvm_memory_slot *slot)
{
	struct witness *witness = container_of(listener, struct witness, listener);

	note(witness, "+", slot);
	return witness->answer;
}

static void on_unmap(struct kvm_slot_listener *listener, const struct kvm_memory_slot *slot)
{
	note(container_of(listener, struct witness, listener), "-", slot);
}

/* "!": the slot is not to be found when the listener is told. */
static void check_listener(struct kvm *kvm)
{
	struct witness witness = { .listener = { .map = on_map, .unmap = on_unmap }, .kvm = kvm };

	kvm_slots_lock(kvm);
	kvm_add_slot_listener(kvm, &witness.listener);
	kvm_slots_unlock(kvm);
	ck_assert_int_eq(set(kvm, 0, 0, 0, 4 * PAGE, 0), 0);
	ck_assert_int_eq(set(kvm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 4 * PAGE, 0), 0);
	ck_assert_int_eq(set(kvm, 0, KVM_MEM_LOG_DIRTY_PAGES, 2 * PAGE, 4 * PAGE, 0), 0);
	ck_assert_int_eq(set(kvm, 1, 0, 3 * PAGE, 4 * PAGE, 0), -EEXIST);
	witness.answer = -ENOMEM;
	ck_assert_int_eq(set(kvm, 1, 0, 16 * PAGE, 4 * PAGE, 0), -ENOMEM);
	witness.answer = 0;
	/* It stands all the same. */
	ck_assert_int_eq(set(kvm, 2, 0, 16 * PAGE, 4 * PAGE, 0), -EEXIST);
	ck_assert_int_eq(set(kvm, 1, 0, 16 * PAGE, 0, 0), 0);
	ck_assert_int_eq(set(kvm, 0, 0, 0, 0, 0), 0);
	ck_assert_str_eq(witness.told, "+0@0 -0@0! +0@2 +1@10 -1@10! -0@2! ");
	kvm_slots_lock(kvm);
	kvm_del_slot_listener(kvm, &witness.listener);
	kvm_slots_unlock(kvm);
	ck_assert_int_eq(set(kvm, 0, 0, 0, PAGE, 0), 0);
	ck_assert_str_eq(witness.told, "+0@0 -0@0! +0@2 +1@10 -1@10! -0@2! ");
}

START_TEST(listeners_follow)
{
	struct kvm *kvm = soft_kvm();
	int vm;

	check_listener(kvm);
	kvm_destroy(kvm);
	vm = real_vm();
	if (vm < 0)
		return;
	kvm = real_kvm(vm);
	check_listener(kvm);
	kvm_destroy(kvm);
}
END_TEST

static int collect(void *arg, const struct kvm_memory_slot *slot)
{
	*(uint64_t *)arg = *(uint64_t *)arg * 10 + slot->id;
	return slot->id == 3;
}

START_TEST(walking_in_order)
{
	struct kvm *kvm = soft_kvm();
	uint64_t seen = 0;

	ck_assert_int_eq(set(kvm, 1, 0, 32 * PAGE, PAGE, 0), 0);
	ck_assert_int_eq(set(kvm, 2, 0, 16 * PAGE, PAGE, 0), 0);
	ck_assert_int_eq(set(kvm, 3, 0, 48 * PAGE, PAGE, 0), 0);
	ck_assert_int_eq(set(kvm, 4, 0, 64 * PAGE, PAGE, 0), 0);
	kvm_slots_lock(kvm);
	ck_assert_int_eq(kvm_for_each_slot(kvm, collect, &seen), 1);
	ck_assert_ptr_null(kvm_gfn_to_slot(kvm, 17));
	ck_assert_uint_eq(kvm_gfn_to_slot(kvm, 48)->id, 3);
	kvm_slots_unlock(kvm);
	ck_assert_uint_eq(seen, 213);
	kvm_destroy(kvm);
}
END_TEST

START_TEST(no_vm_no_object)
{
	struct kvm_config config = { .real = true, .vm_fd = 987 };
	struct kvm *kvm;
	int fd;

	ck_assert_int_eq(kvm_create(&config, &kvm), -EBADF);
	fd = open("/dev/null", O_RDWR);
	config.vm_fd = fd;
	ck_assert_int_eq(kvm_create(&config, &kvm), -EINVAL);
	close(fd);
	fd = open("/dev/kvm", O_RDWR);
	if (fd < 0)
		return;
	config.vm_fd = fd;
	ck_assert_int_eq(kvm_create(&config, &kvm), -EINVAL);
	close(fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("memslots");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, software_model);
	tcase_add_test(tc, real_kvm_agrees);
	tcase_add_test(tc, guest_memory_and_dirty_log);
	tcase_add_test(tc, listeners_follow);
	tcase_add_test(tc, walking_in_order);
	tcase_add_test(tc, no_vm_no_object);
	return run_suite(tc, "memslots");
}
