/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file that another process of the session has opened: every operation is a request to that one,
 * but what mapped pages show natively, which are the same pages.
 *
 * When the owner ends, the device has been unplugged: commands give ENODEV, loads ones, stores go
 * nowhere. remotes_lock guards the list of files; a leaf.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/copy.h"
#include "base/depth.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "machine/machine_priv.h"
#include "machine/share.h"
#include "machine/share_client.h"
#include "machine/share_priv.h"
#include "uapi/vfio.h"

#define SIZED_MIN      64 /* no structure of VFIO's without its data is longer */
#define NAME_MAX_BYTES 4096

struct remote {
	struct list_head node; /* remotes */
	struct uvfio_machine *machine;
	struct share_peer *peer; /* NULL: had ended before */
	struct file *file;	 /* no reference: the file ends first */
	enum file_kind kind;
	bool mapped; /* remotes_lock */
};

static pthread_mutex_t remotes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head remotes = { &remotes, &remotes };

static int remote_adopt(struct uvfio_machine *machine, int fd, const struct file_owner *owner);

static void start_request(struct share_request *r, struct file *file, enum share_type type)
{
	memset(r, 0, sizeof(*r));
	r->msg.type = type;
	r->msg.dev = file_dev(file);
	r->msg.ino = file->id;
}

static struct share_peer *peer_of(struct file *file)
{
	return ((struct remote *)file->priv)->peer;
}

/* ---- ioctl ----------------------------------------------------------------------------------- */

struct ioctl_buffers {
	uint8_t arg[SHARE_PAYLOAD], answer[SHARE_PAYLOAD];
	int fds[SHARE_FDS_MAX];
	size_t len, num_fds;
};

/* The argument as far as it can be read; the owner finds what is missing. */
static void get_argument(struct ioctl_buffers *b, enum share_shape shape, unsigned long arg)
{
	uint32_t size = 0;
	size_t want, piece, missing = 0;

	switch (shape) {
	case SHAPE_FD:
		want = sizeof(int32_t);
		break;
	case SHAPE_SIZED:
		if (copy_from_user(&size, arg, sizeof(size)))
			size = 0;
		want = MIN(MAX((size_t)size, SIZED_MIN), SHARE_PAYLOAD);
		break;
	case SHAPE_NAME:
		want = NAME_MAX_BYTES;
		break;
	default:
		return;
	}
	while (b->len < want && !missing) {
		piece = HOST_PAGE_SIZE - ((arg + b->len) & ~HOST_PAGE_MASK);
		piece = MIN(piece, want - b->len);
		missing = copy_nofault(b->arg + b->len, (const void *)(arg + b->len), piece);
		if (shape == SHAPE_NAME && memchr(b->arg + b->len, '\0', piece - missing))
			missing = 1;
		else
			piece -= missing;
		b->len += piece;
	}
}

/* fds go along; where they stood is which of them it is. */
static int get_fds(struct ioctl_buffers *b, const struct share_arg *row)
{
	size_t count, at = row->fds(b->arg, b->len, &count);
	int32_t number;

	if (count > SHARE_FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		memcpy(&number, b->arg + at + i * sizeof(number), sizeof(number));
		if (number < 0)
			continue;
		if (raw_fcntl(number, F_GETFD, 0) < 0) {
			number = SHARE_BAD_FD;
		} else {
			b->fds[b->num_fds] = number;
			number = (int32_t)b->num_fds++;
		}
		memcpy(b->arg + at + i * sizeof(number), &number, sizeof(number));
	}
	return 0;
}

/* The segments of a mapping behind its structure; 0 or what is wrong with the memory. */
static int get_memory(struct ioctl_buffers *b)
{
	struct vfio_iommu_type1_dma_map map;
	struct share_segment *segments;
	int count;

	if (b->len < sizeof(map))
		return -EFAULT;
	memcpy(&map, b->arg, sizeof(map));
	b->len = sizeof(map);
	segments = FAIL_POINT() ? NULL : malloc(SHARE_SEGMENTS * sizeof(*segments));
	if (!segments)
		return -ENOMEM;
	count = map.size && IS_ALIGNED(map.vaddr | map.size, HOST_PAGE_SIZE)
			? share_describe(map.vaddr, map.size, segments)
			: 0;
	if (count > 0) {
		b->num_fds = share_describe_fds(map.vaddr, segments, count, b->fds);
		memcpy(b->arg + b->len, segments, (size_t)count * sizeof(*segments));
		b->len += (size_t)count * sizeof(*segments);
	}
	free(segments);
	return MIN(count, 0);
}

static long map_dma(struct file *file, struct ioctl_buffers *b, struct share_request *r)
{
	int memory = get_memory(b);
	long ret;

	if (memory == -ENOMEM || (memory == -EFAULT && b->len < 32))
		return memory;
	r->msg.len = (uint32_t)b->len;
	r->num_fds = b->num_fds;
	ret = share_request(peer_of(file), r);
	while (b->num_fds)
		raw_close(b->fds[--b->num_fds]);
	if (memory < 0 && memory != -EFAULT && ret == -EFAULT)
		ret = memory;
	if (ret == -EOPNOTSUPP)
		pr_err("%s: memory of this process alone cannot be mapped for DMA: the container "
		       "is another process', which only reaches memory that is shared",
		       file->path);
	return ret;
}

/* An fd that came with the answer becomes a file of the owner's, too. */
static long take_fd(struct remote *remote, struct share_request *r, long ret)
{
	struct file_owner owner;
	int err;

	if (r->fd < 0)
		return ret;
	err = file_is_foreign(r->fd, &owner) ? remote_adopt(remote->machine, r->fd, &owner)
					     : -ENODEV;
	if (ret >= 0 && !err)
		return r->fd;
	file_fd_close(r->fd);
	raw_close(r->fd);
	return ret < 0 ? ret : err;
}

static int copy_back(unsigned long arg, const struct ioctl_buffers *b, size_t len)
{
	len = MIN(len, b->len);
	return len ? copy_to_user(arg, b->answer, len) : 0;
}

static long remote_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct remote *remote = file->priv;
	const struct share_arg *row = share_arg_find(remote->kind, cmd);
	struct ioctl_buffers *b = FAIL_POINT() ? NULL : malloc(sizeof(*b));
	struct share_request r;
	long ret = 0;

	if (!b)
		return -ENOMEM;
	b->len = b->num_fds = 0;
	start_request(&r, file, SHARE_IOCTL);
	r.msg.cmd = cmd;
	r.payload = b->arg;
	r.fds = b->fds;
	r.answer = b->answer;
	r.answer_size = sizeof(b->answer);
	if (row && row->shape == SHAPE_VALUE)
		r.msg.value = (int64_t)arg;
	else if (row)
		get_argument(b, row->shape, arg);
	if (row && row->fds)
		ret = get_fds(b, row);
	if (!ret && remote->kind == FILE_CONTAINER && cmd == VFIO_IOMMU_MAP_DMA) {
		ret = map_dma(file, b, &r);
	} else if (!ret) {
		r.msg.len = (uint32_t)b->len;
		r.num_fds = b->num_fds;
		ret = share_request(remote->peer, &r);
		ret = take_fd(remote, &r, ret);
		/* Nothing behind what went there comes back. */
		if (r.msg.type == SHARE_ANSWER && copy_back(arg, b, r.msg.len))
			ret = -EFAULT;
	}
	free(b);
	return ret;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static ssize_t remote_rw(struct file *file, bool write, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	uint8_t *buf = FAIL_POINT() ? NULL : malloc(SHARE_PAYLOAD);
	struct share_request r;
	ssize_t done = 0, ret;
	size_t piece;

	if (!buf)
		return -ENOMEM;
	do {
		piece = MIN(count - (size_t)done, SHARE_PAYLOAD);
		start_request(&r, file, write ? SHARE_WRITE : SHARE_READ);
		r.msg.off = *pos;
		r.payload = r.answer = buf;
		r.answer_size = SHARE_PAYLOAD;
		ret = 0;
		if (write) {
			r.msg.len = (uint32_t)piece;
			ret = copy_from_user(buf, ubuf + (size_t)done, piece);
		} else {
			r.msg.value = (int64_t)piece;
		}
		if (!ret)
			ret = share_request(peer_of(file), &r);
		if (ret > (ssize_t)piece || (!write && ret > 0 && r.msg.len != (uint32_t)ret))
			ret = -EIO;
		if (!write && ret > 0 && copy_to_user(ubuf + (size_t)done, buf, (size_t)ret))
			ret = -EFAULT;
		if (ret > 0) {
			done += ret;
			*pos += (uint64_t)ret;
		}
	} while (ret > 0 && (size_t)ret == piece && (size_t)done < count);
	free(buf);
	return done ? done : ret;
}

static ssize_t remote_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	return remote_rw(file, false, ubuf, count, pos);
}

static ssize_t remote_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	return remote_rw(file, true, ubuf, count, pos);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static int remote_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags)
{
	struct remote *remote = file->priv;
	struct share_request r;
	int ret;

	start_request(&r, file, SHARE_MMAP);
	r.msg.off = off;
	r.msg.value = (int64_t)ALIGN_UP(len, HOST_PAGE_SIZE);
	r.msg.cmd = (uint32_t)prot;
	r.msg.width = (uint32_t)flags;
	ret = (int)share_request(remote->peer, &r);
	if (ret)
		return ret;
	pthread_mutex_lock(&remotes_lock);
	remote->mapped = true;
	pthread_mutex_unlock(&remotes_lock);
	return 0;
}

/* Signal context. At a depth above 0, where a lock may be held, a load sees the page's memory. */
static uint64_t remote_load(struct file *file, uint64_t off, unsigned int width)
{
	struct share_request r;
	uint64_t value = UINT64_MAX;

	if (!peer_of(file) || atomic_load(&peer_of(file)->gone))
		return UINT64_MAX;
	if (lib_depth > 1) {
		raw_pread(file->memfd, &value, width, off);
		return value;
	}
	start_request(&r, file, SHARE_LOAD);
	r.msg.off = off;
	r.msg.width = width;
	r.answer = &value;
	r.answer_size = sizeof(value);
	if (share_request(peer_of(file), &r))
		return UINT64_MAX;
	return value;
}

static void remote_store(struct file *file, uint64_t off, unsigned int width, uint64_t value,
			 bool nested)
{
	struct share_request r;

	start_request(&r, file, nested ? SHARE_POST : SHARE_STORE);
	r.msg.off = off;
	r.msg.width = width;
	r.msg.value = (int64_t)value;
	if (nested)
		share_post(peer_of(file), &r.msg);
	else
		share_request(peer_of(file), &r);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void remote_release(struct file *file)
{
	struct remote *remote = file->priv;
	struct share_request r;

	pthread_mutex_lock(&remotes_lock);
	list_del(&remote->node);
	pthread_mutex_unlock(&remotes_lock);
	atomic_fetch_sub(&share_count, 1);
	/* Before the owner is told, who asks the kernel then who has it. */
	fd_close(file->memfd);
	file->memfd = -1;
	start_request(&r, file, SHARE_CLOSED);
	share_request(remote->peer, &r);
	free(remote);
}

static const struct file_operations remote_ops = {
	.name = "vfio-remote",
	.release = remote_release,
	.ioctl = remote_ioctl,
	.read = remote_read,
	.write = remote_write,
	.mmap = remote_mmap,
	.mmio_read = remote_load,
	.mmio_write = remote_store,
};

/* The next file of @peer whose pages are still native, with a reference. */
static struct file *next_mapped(struct share_peer *peer)
{
	struct file *file = NULL;
	struct remote *remote;

	pthread_mutex_lock(&remotes_lock);
	list_for_each_entry(remote, &remotes, node) {
		if (remote->peer != peer || !remote->mapped)
			continue;
		remote->mapped = false;
		/* None when its last reference is just being put. */
		file = file_from_identity(file_dev(remote->file), remote->file->id);
		if (file)
			break;
	}
	pthread_mutex_unlock(&remotes_lock);
	return file;
}

void remote_owner_gone(struct share_peer *peer)
{
	struct remote *remote;
	struct file *file;
	bool any = false;

	pthread_mutex_lock(&remotes_lock);
	list_for_each_entry(remote, &remotes, node)
		any |= remote->peer == peer;
	pthread_mutex_unlock(&remotes_lock);
	if (any)
		pr_err("process %d, which had opened the VFIO files that this one uses, has ended: "
		       "its devices are gone",
		       peer->pid);
	while ((file = next_mapped(peer)) != NULL) {
		if (file_set_access(file, 0, (uint64_t)INT64_MAX & HOST_PAGE_MASK, PAGE_TRAP_ALL))
			pr_err("%s: the pages of a mapping cannot be taken away", file->path);
		file_put(file);
	}
}

/* Asks the owner what the file is. */
static int ask(struct share_peer *peer, int fd, struct share_file *answer)
{
	struct share_request r;
	int64_t ret;

	memset(&r, 0, sizeof(r));
	r.msg.type = SHARE_OPEN;
	r.fds = &fd;
	r.num_fds = 1;
	r.answer = answer;
	r.answer_size = sizeof(*answer);
	ret = share_request(peer, &r);
	if (!ret && r.msg.len != sizeof(*answer))
		ret = -EIO;
	answer->path[sizeof(answer->path) - 1] = '\0';
	return (int)ret;
}

static int remote_adopt(struct uvfio_machine *machine, int fd, const struct file_owner *owner)
{
	struct share_file answer = { .kind = owner->kind, .oflags = O_RDWR, .mode = 0600 };
	struct remote *remote = FAIL_POINT() ? NULL : calloc(1, sizeof(*remote));
	struct share_peer *peer = NULL;
	struct file *file;
	bool existed;
	int ret;

	if (!remote)
		return -ENOMEM;
	ret = share_peer_get(machine, owner->pid, &peer);
	if (!ret)
		ret = ask(peer, fd, &answer);
	if (ret) {
		pr_err("process %d, which had opened the VFIO file that this one got, %s",
		       owner->pid, peer ? "has closed it" : "has ended");
		peer = NULL;
	}
	remote->machine = machine;
	remote->peer = peer;
	remote->kind = (enum file_kind)answer.kind;
	ret = file_alloc_foreign(&remote_ops, remote, answer.oflags, fd, &file, &existed);
	if (ret) {
		free(remote);
		return ret;
	}
	if (existed) {
		free(remote);
	} else {
		file->mode = answer.mode;
		file->rdev = (dev_t)answer.rdev;
		memcpy(file->path, answer.path, sizeof(answer.path));
		remote->file = file;
		pthread_mutex_lock(&remotes_lock);
		list_add_tail(&remote->node, &remotes);
		pthread_mutex_unlock(&remotes_lock);
		atomic_fetch_add(&share_count, 1);
	}
	/* The look-up enters the number, with a reference of its own. */
	if (file_from_fd(fd))
		file_put(file);
	file_put(file);
	return 0;
}

int share_adopt(struct uvfio_machine *machine, int fd)
{
	struct file_owner owner;

	return file_is_foreign(fd, &owner) ? remote_adopt(machine, fd, &owner) : -ENOENT;
}

void remote_after_fork(void)
{
	pthread_mutex_init(&remotes_lock, NULL);
	/* The files are dead, and are never released. */
	list_init(&remotes);
}
