/* SPDX-License-Identifier: BSD-3-Clause */
/* The KVM-VFIO device: which files it takes, its errors, what it holds open. */
#include "kvm/kvm_fixture.h"

#include <stdatomic.h>

#include "file/file.h"

static atomic_uint released;

static void on_release(struct file *file)
{
	(void)file;
	atomic_fetch_add(&released, 1);
}

static const struct file_operations group_ops = { .name = "group",
						  .kind = FILE_GROUP,
						  .release = on_release };
static const struct file_operations device_ops = { .name = "device",
						   .kind = FILE_DEVICE,
						   .release = on_release };
static const struct file_operations container_ops = { .name = "container",
						      .kind = FILE_CONTAINER,
						      .release = on_release };

static int open_file(const struct file_operations *ops)
{
	struct file *file;
	int fd;

	ck_assert_int_eq(file_alloc(ops, NULL, O_RDWR, 0, &file), 0);
	fd = file_install(file, 0);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* As a program does it: the door hears of the close first. */
static void close_file(int fd)
{
	file_fd_close(fd);
	close(fd);
}

static int set_file(struct kvm_vfio *kv, uint64_t what, int32_t fd)
{
	struct kvm_device_attr attr = { .group = KVM_DEV_VFIO_FILE,
					.attr = what,
					.addr = (uintptr_t)&fd };

	return kvm_vfio_set_attr(kv, &attr);
}

static int add(struct kvm_vfio *kv, int32_t fd)
{
	return set_file(kv, KVM_DEV_VFIO_FILE_ADD, fd);
}

static int del(struct kvm_vfio *kv, int32_t fd)
{
	return set_file(kv, KVM_DEV_VFIO_FILE_DEL, fd);
}

START_TEST(files)
{
	struct kvm *kvm = soft_kvm();
	int group = open_file(&group_ops), device = open_file(&device_ops);
	int container = open_file(&container_ops), null = open("/dev/null", O_RDWR);
	struct kvm_vfio *kv, *other;

	ck_assert_int_eq(kvm_vfio_create(kvm, &kv), 0);
	ck_assert_int_eq(kvm_vfio_create(kvm, &other), -EBUSY);
	ck_assert_int_eq(add(kv, 987), -EBADF);
	ck_assert_int_eq(add(kv, null), -EINVAL);
	ck_assert_int_eq(add(kv, container), -EINVAL);
	ck_assert_int_eq(del(kv, 987), -EBADF);
	ck_assert_int_eq(del(kv, null), -ENOENT);
	ck_assert_int_eq(del(kv, group), -ENOENT);
	ck_assert_int_eq(add(kv, group), 0);
	ck_assert_int_eq(add(kv, group), -EEXIST);
	ck_assert_int_eq(add(kv, device), 0);
	ck_assert_int_eq(del(kv, group), 0);
	ck_assert_int_eq(del(kv, group), -ENOENT);
	ck_assert_int_eq(add(kv, group), 0);
	/* Held open by the list alone. */
	close_file(group);
	close_file(device);
	ck_assert_uint_eq(atomic_load(&released), 0);
	kvm_vfio_destroy(kv);
	ck_assert_uint_eq(atomic_load(&released), 2);
	/* There is room for another one. */
	ck_assert_int_eq(kvm_vfio_create(kvm, &kv), 0);
	kvm_vfio_destroy(kv);
	kvm_destroy(kvm);
	close_file(container);
	close(null);
}
END_TEST

START_TEST(attributes)
{
	struct kvm *kvm = soft_kvm();
	struct kvm_device_attr attr = { .group = KVM_DEV_VFIO_FILE };
	struct kvm_vfio *kv;
	static const int answers[] = { -ENXIO, 0, 0, -ENXIO, -ENXIO };

	ck_assert_int_eq(kvm_vfio_create(kvm, &kv), 0);
	for (uint64_t what = 0; what < ARRAY_SIZE(answers); what++) {
		attr.attr = what;
		ck_assert_int_eq(kvm_vfio_has_attr(kv, &attr), answers[what]);
		attr.addr = 8; /* nobody's memory */
		ck_assert_int_eq(kvm_vfio_set_attr(kv, &attr), answers[what] ? -ENXIO : -EFAULT);
	}
	attr.group = 0;
	attr.attr = KVM_DEV_VFIO_FILE_ADD;
	ck_assert_int_eq(kvm_vfio_has_attr(kv, &attr), -ENXIO);
	ck_assert_int_eq(kvm_vfio_set_attr(kv, &attr), -ENXIO);
	kvm_vfio_destroy(kv);
	kvm_destroy(kvm);
}
END_TEST

/* What the kernel's device says to the same calls, as far as no VFIO file is needed. */
START_TEST(real_kvm_agrees)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = { .group = KVM_DEV_VFIO_FILE };
	int vm = real_vm(), null = open("/dev/null", O_RDWR);
	int32_t fd = null;

	if (vm < 0)
		return;
	if (ioctl(vm, KVM_CREATE_DEVICE, &create)) {
		printf("skipped: this KVM has no KVM-VFIO device (%s)\n", strerror(errno));
		return;
	}
	ck_assert_int_eq(ioctl(vm, KVM_CREATE_DEVICE, &create), -1);
	ck_assert_int_eq(errno, EBUSY);
	attr.addr = (uintptr_t)&fd;
	attr.attr = KVM_DEV_VFIO_FILE_ADD;
	ck_assert_int_eq(ioctl((int)create.fd, KVM_SET_DEVICE_ATTR, &attr), -1);
	ck_assert_int_eq(errno, EINVAL);
	attr.attr = KVM_DEV_VFIO_FILE_DEL;
	ck_assert_int_eq(ioctl((int)create.fd, KVM_SET_DEVICE_ATTR, &attr), -1);
	ck_assert_int_eq(errno, ENOENT);
	fd = 987;
	ck_assert_int_eq(ioctl((int)create.fd, KVM_SET_DEVICE_ATTR, &attr), -1);
	ck_assert_int_eq(errno, EBADF);
	attr.addr = 8;
	ck_assert_int_eq(ioctl((int)create.fd, KVM_SET_DEVICE_ATTR, &attr), -1);
	ck_assert_int_eq(errno, EFAULT);
	attr.group = 0;
	ck_assert_int_eq(ioctl((int)create.fd, KVM_SET_DEVICE_ATTR, &attr), -1);
	ck_assert_int_eq(errno, ENXIO);
	close((int)create.fd);
	close(vm);
	close(null);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("vfio");

	tcase_add_test(tc, files);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, real_kvm_agrees);
	return run_suite(tc, "kvm_vfio");
}
