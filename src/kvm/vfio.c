/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The KVM-VFIO device (virt/kvm/vfio.c): a VM's list of the VFIO groups and devices that are given
 * to it. It holds each of them open until it is taken off the list or the device's fd is closed.
 * The files are this library's; what the kernel does with one of its own is for the caller to pass
 * on.
 *
 * Lock: kvm_vfio.lock, a leaf but for the end of a file.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/sysraw.h"
#include "file/file.h"

struct kvm_vfio_file {
	struct list_head node;
	struct file *file;
};

struct kvm_vfio {
	struct kvm *kvm;
	pthread_mutex_t lock;
	struct list_head files; /* lock */
};

int kvm_vfio_create(struct kvm *kvm, struct kvm_vfio **out)
{
	struct kvm_vfio *kv, *none = NULL;
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	kv = FAIL_POINT() ? NULL : calloc(1, sizeof(*kv));
	if (!kv)
		return -ENOMEM;
	kv->kvm = kvm;
	pthread_mutex_init(&kv->lock, NULL);
	list_init(&kv->files);
	if (!atomic_compare_exchange_strong(&kvm->vfio, &none, kv)) {
		free(kv);
		return -EBUSY;
	}
	*out = kv;
	return 0;
}

static void free_file(struct kvm_vfio_file *kvf)
{
	list_del(&kvf->node);
	file_put(kvf->file);
	free(kvf);
}

void kvm_vfio_destroy(struct kvm_vfio *kv)
{
	struct kvm_vfio_file *kvf, *next;

	if (!kv)
		return;
	list_for_each_entry_safe(kvf, next, &kv->files, node)
		free_file(kvf);
	atomic_store(&kv->kvm->vfio, NULL);
	pthread_mutex_destroy(&kv->lock);
	free(kv);
}

int kvm_vfio_has_attr(struct kvm_vfio *kv, const struct kvm_device_attr *attr)
{
	(void)kv;
	if (attr->group != KVM_DEV_VFIO_FILE)
		return -ENXIO;
	return attr->attr == KVM_DEV_VFIO_FILE_ADD || attr->attr == KVM_DEV_VFIO_FILE_DEL ? 0
											  : -ENXIO;
}

/* The file of a VFIO group or device with a reference; -EBADF: no fd, -EINVAL: another file. */
static int get_vfio_file(int fd, struct file **out)
{
	struct file *file;

	if (raw_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	file = file_from_fd(fd);
	if (!file)
		return -EINVAL;
	if (file->ops->kind != FILE_GROUP && file->ops->kind != FILE_DEVICE) {
		file_put(file);
		return -EINVAL;
	}
	*out = file;
	return 0;
}

static struct kvm_vfio_file *find_locked(const struct kvm_vfio *kv, const struct file *file)
{
	struct kvm_vfio_file *kvf;

	list_for_each_entry(kvf, &kv->files, node)
		if (kvf->file == file)
			return kvf;
	return NULL;
}

/* Takes over the caller's reference on success. */
static int add_locked(struct kvm_vfio *kv, struct file *file)
{
	struct kvm_vfio_file *kvf;

	if (find_locked(kv, file))
		return -EEXIST;
	kvf = FAIL_POINT() ? NULL : malloc(sizeof(*kvf));
	if (!kvf)
		return -ENOMEM;
	kvf->file = file;
	list_add_tail(&kvf->node, &kv->files);
	return 0;
}

static int file_add(struct kvm_vfio *kv, int fd)
{
	struct file *file;
	int ret = get_vfio_file(fd, &file);

	if (ret)
		return ret;
	pthread_mutex_lock(&kv->lock);
	ret = add_locked(kv, file);
	pthread_mutex_unlock(&kv->lock);
	if (ret)
		file_put(file);
	return ret;
}

/* Any file may be asked for; only those of the list are there. */
static int file_del(struct kvm_vfio *kv, int fd)
{
	struct kvm_vfio_file *kvf;
	struct file *file;

	if (raw_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	file = file_from_fd(fd);
	if (!file)
		return -ENOENT;
	pthread_mutex_lock(&kv->lock);
	kvf = find_locked(kv, file);
	if (kvf)
		list_del(&kvf->node);
	pthread_mutex_unlock(&kv->lock);
	if (kvf)
		free_file(kvf);
	file_put(file);
	return kvf ? 0 : -ENOENT;
}

int kvm_vfio_set_attr(struct kvm_vfio *kv, const struct kvm_device_attr *attr)
{
	int32_t fd;
	int ret = kvm_check(kv->kvm);

	if (!ret)
		ret = kvm_vfio_has_attr(kv, attr);
	if (!ret)
		ret = copy_from_user(&fd, attr->addr, sizeof(fd));
	if (ret)
		return ret;
	return attr->attr == KVM_DEV_VFIO_FILE_ADD ? file_add(kv, fd) : file_del(kv, fd);
}
