/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hugetlbfs and MAP_HUGETLB: what VFIO's users do with huge pages before they map them for DMA.
 * Every probe sets the pool of 2 MiB pages itself and leaves it at 0.
 */
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include "probe.h"

#define HUGE  (2ul << 20)
#define POOL  8
#define SYSFS "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define RW    (PROT_READ | PROT_WRITE)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)

static char mount_point[64];

static long read_number(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -1;
	close(fd);
	return strtol(text, NULL, 10);
}

static long write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), saved;
	long ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text));
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}

static void set_pool(long pages)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld\n", pages);
	if (write_text(SYSFS "nr_hugepages", text) < 0)
		setup_failed("nr_hugepages");
}

/* total/free/reserved/surplus */
static void pool(const char *what)
{
	say(" %s=%ld/%ld/%ld/%ld", what, read_number(SYSFS "nr_hugepages"),
	    read_number(SYSFS "free_hugepages"), read_number(SYSFS "resv_hugepages"),
	    read_number(SYSFS "surplus_hugepages"));
}

static void start(void)
{
	set_pool(POOL);
	strcpy(mount_point, "/tmp/uapi-huge.XXXXXX");
	mkdir("/tmp", 0777);
	if (!mkdtemp(mount_point) ||
	    mount("nodev", mount_point, "hugetlbfs", 0, "pagesize=2M,mode=0750"))
		setup_failed("mount");
}

static void end(void)
{
	result("umount", umount(mount_point));
	rmdir(mount_point);
	pool("left");
	set_pool(0);
	pool("end");
}

static int make(const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	return open(path, flags, 0640);
}

static long drop(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	return unlink(path);
}

static void *map(const char *what, void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	void *at = mmap(addr, len, prot, flags, fd, off);

	result(what, at == MAP_FAILED ? -1 : 0);
	if (at != MAP_FAILED && (uintptr_t)at % HUGE)
		say(" %s-unaligned", what);
	return at == MAP_FAILED ? NULL : at;
}

static void unmap(void *at, size_t len)
{
	if (at)
		munmap(at, len);
}

static void touch(void *at, size_t pages)
{
	for (size_t i = 0; at && i < pages; i++)
		((volatile char *)at)[i * HUGE + 12345] = 1;
}

static void say_stat(const char *what, const struct stat *st)
{
	say(" %s=%o/%u:%u/links%lu/size%ld/blksize%ld/blocks%ld", what, st->st_mode, st->st_uid,
	    st->st_gid, (unsigned long)st->st_nlink, (long)st->st_size, (long)st->st_blksize,
	    (long)st->st_blocks);
}

static void hugetlb_statfs(long arg)
{
	struct statvfs vfs;
	struct statfs fs;
	struct stat st;
	int fd;

	start();
	result("statfs", statfs(mount_point, &fs));
	say(" type=%lx bsize=%ld blocks=%ld bfree=%ld bavail=%ld files=%ld ffree=%ld namelen=%ld "
	    "frsize=%ld",
	    (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_blocks, (long)fs.f_bfree,
	    (long)fs.f_bavail, (long)fs.f_files, (long)fs.f_ffree, (long)fs.f_namelen,
	    (long)fs.f_frsize);
	fd = make("file", O_RDWR | O_CREAT);
	result("fstatfs", fstatfs(fd, &fs));
	say(" type=%lx bsize=%ld", (long)fs.f_type, (long)fs.f_bsize);
	result("statvfs", statvfs(mount_point, &vfs));
	say(" bsize=%lu frsize=%lu blocks=%lu", vfs.f_bsize, vfs.f_frsize,
	    (unsigned long)vfs.f_blocks);
	if (!stat(mount_point, &st))
		say(" root=%o/%u:%u", st.st_mode, st.st_uid, st.st_gid);
	close(fd);
	end();
}

static void hugetlb_file(long arg)
{
	struct stat st;
	char *at, *second;
	int fd;

	start();
	fd = result_fd("open", make("file", O_RDWR | O_CREAT | O_EXCL));
	result("again", make("file", O_RDWR | O_CREAT | O_EXCL));
	fstat(fd, &st);
	say_stat("new", &st);
	at = map("map", NULL, 2 * HUGE, RW, MAP_SHARED, fd, 0);
	fstat(fd, &st);
	say_stat("mapped", &st);
	pool("mapped");
	touch(at, 1);
	fstat(fd, &st);
	say_stat("touched", &st);
	pool("touched");
	second = map("second", NULL, 2 * HUGE, RW, MAP_SHARED, fd, 0);
	say(" same=%d", at && second && second[12345] == 1);
	pool("second");
	unmap(second, 2 * HUGE);
	unmap(at, 2 * HUGE);
	pool("unmapped");
	at = map("read-only", NULL, HUGE, PROT_READ, MAP_SHARED, fd, 4 * HUGE);
	fstat(fd, &st);
	say(" size=%ld", (long)st.st_size);
	unmap(at, HUGE);
	result("unlink", drop("file"));
	pool("unlinked");
	close(fd);
	pool("closed");
	end();
}

static void hugetlb_rules(long arg)
{
	char *hole, *at;
	int fd, ro;

	start();
	fd = make("file", O_RDWR | O_CREAT);
	ro = make("file", O_RDONLY);
	hole = mmap(NULL, 8 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hole = (char *)(((uintptr_t)hole + HUGE - 1) & ~(HUGE - 1));
	at = map("page", NULL, PAGE, RW, MAP_SHARED, fd, 0);
	pool("page");
	result("munmap-page", at ? munmap(at, PAGE) : 0);
	result("munmap-huge", at ? munmap(at, HUGE) : 0);
	unmap(map("offset", NULL, HUGE, RW, MAP_SHARED, fd, (off_t)PAGE), HUGE);
	unmap(map("no-length", NULL, 0, RW, MAP_SHARED, fd, 0), HUGE);
	unmap(map("fixed-odd", hole + PAGE, HUGE, RW, MAP_SHARED | MAP_FIXED, fd, 0), HUGE);
	unmap(map("fixed", hole, HUGE, RW, MAP_SHARED | MAP_FIXED, fd, 0), HUGE);
	unmap(map("hint-odd", hole + PAGE, HUGE, RW, MAP_SHARED, fd, 0), HUGE);
	unmap(map("flag", NULL, HUGE, RW, MAP_SHARED | MAP_HUGETLB, fd, 0), HUGE);
	unmap(map("flag-1g", NULL, HUGE, RW, MAP_SHARED | MAP_HUGETLB | 30 << 26, fd, 0), HUGE);
	unmap(map("ro-rw", NULL, HUGE, RW, MAP_SHARED, ro, 0), HUGE);
	unmap(map("ro-r", NULL, HUGE, PROT_READ, MAP_SHARED, ro, 0), HUGE);
	unmap(map("private", NULL, HUGE, RW, MAP_PRIVATE, ro, 0), HUGE);
	unmap(map("too-many", NULL, 9 * HUGE, RW, MAP_SHARED, fd, 0), 9 * HUGE);
	unmap(map("too-many-private", NULL, 9 * HUGE, RW, MAP_PRIVATE, fd, 0), 9 * HUGE);
	unmap(map("noreserve", NULL, 9 * HUGE, RW, MAP_SHARED | MAP_NORESERVE, fd, 0), 9 * HUGE);
	unmap(map("other-file", NULL, HUGE, PROT_READ, MAP_PRIVATE | MAP_HUGETLB,
		  open("/proc/self/exe", O_RDONLY), 0),
	      HUGE);
	pool("after");
	drop("file");
	close(fd);
	close(ro);
	end();
}

static void hugetlb_io(long arg)
{
	char buf[16] = "text";
	struct stat st;
	char *at;
	int fd;

	start();
	fd = make("file", O_RDWR | O_CREAT);
	result("write", write(fd, buf, 4));
	result("pwrite", pwrite(fd, buf, 4, 0));
	result("read-empty", read(fd, buf, 4));
	result("truncate-odd", ftruncate(fd, PAGE));
	result("truncate-minus", ftruncate(fd, -1));
	result("truncate", ftruncate(fd, 3 * (off_t)HUGE));
	pool("truncated");
	result("read-hole", pread(fd, buf, 4, (off_t)HUGE));
	say(" byte=%d", buf[0]);
	result("fallocate", fallocate(fd, 0, 0, PAGE));
	pool("fallocated");
	result("fallocate-keep", fallocate(fd, FALLOC_FL_KEEP_SIZE, 4 * (off_t)HUGE, HUGE));
	fstat(fd, &st);
	say_stat("kept", &st);
	result("fallocate-more", fallocate(fd, 0, 3 * (off_t)HUGE, HUGE + 1));
	fstat(fd, &st);
	say_stat("more", &st);
	result("fallocate-too-much", fallocate(fd, 0, 0, 12 * HUGE));
	fstat(fd, &st);
	say_stat("much", &st);
	pool("much");
	result("punch-part", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	pool("part");
	result("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * HUGE));
	pool("punched");
	result("zero", fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, HUGE));
	result("fallocate-none", fallocate(fd, 0, 0, 0));
	at = map("map", NULL, HUGE, RW, MAP_SHARED, fd, (off_t)HUGE);
	touch(at, 1);
	result("read", pread(fd, buf, 1, (off_t)HUGE + 12345));
	say(" byte=%d", buf[0]);
	result("seek-end", (long)(lseek(fd, 0, SEEK_END) / (off_t)HUGE));
	result("shrink", ftruncate(fd, 0));
	pool("shrunk");
	unmap(at, HUGE);
	result("fsync", fsync(fd));
	drop("file");
	close(fd);
	end();
}

static void hugetlb_names(long arg)
{
	char path[128], other[128];
	struct stat st;
	int fd;

	start();
	snprintf(path, sizeof(path), "%s/dir", mount_point);
	result("mkdir", mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/dir/file", mount_point);
	snprintf(other, sizeof(other), "%s/other", mount_point);
	fd = result_fd("create", open(path, O_RDWR | O_CREAT, 0666 & 0604));
	result("chmod", chmod(path, 0600));
	result("chown", chown(path, 7, 8));
	result("rename", rename(path, other));
	result("old", stat(path, &st));
	result("new", stat(other, &st));
	say_stat("stat", &st);
	fstat(fd, &st);
	say_stat("fstat", &st);
	result("link", link(other, path));
	fstat(fd, &st);
	say(" links=%lu", (unsigned long)st.st_nlink);
	result("symlink", symlink("other", path));
	result("truncate", truncate(other, 2 * (off_t)HUGE));
	result("truncate-odd", truncate(other, 12345));
	stat(other, &st);
	say(" size=%ld", (long)st.st_size);
	close(fd);
	fd = open(other, O_RDWR | O_TRUNC);
	fstat(fd, &st);
	say(" truncated=%ld", (long)st.st_size);
	result("umount-busy", umount(mount_point));
	close(fd);
	result("unlink-directory", unlink(mount_point));
	unlink(path);
	result("unlink", unlink(other));
	result("unlink-again", unlink(other));
	end();
}

static void hugetlb_anonymous(long arg)
{
	void *at;

	set_pool(POOL);
	at = map("private", NULL, 2 * HUGE, RW, ANON, -1, 0);
	pool("private");
	touch(at, 1);
	pool("touched");
	result("munmap-part", munmap(at, PAGE));
	result("munmap-middle", munmap((char *)at + PAGE, HUGE - PAGE));
	result("munmap-one", munmap(at, HUGE));
	pool("one");
	result("munmap-two", munmap((char *)at + HUGE, HUGE));
	pool("none");
	at = map("shared", NULL, 3 * HUGE, RW, ANON ^ MAP_PRIVATE ^ MAP_SHARED, -1, 0);
	pool("shared");
	touch(at, 2);
	pool("touched");
	unmap(at, 3 * HUGE);
	pool("unmapped");
	at = map("page", NULL, PAGE, RW, ANON, -1, 0);
	result("munmap-page", at ? munmap(at, PAGE) : 0);
	unmap(at, HUGE);
	unmap(map("2m", NULL, HUGE, RW, ANON | 21 << 26, -1, 0), HUGE);
	unmap(map("64k", NULL, HUGE, RW, ANON | 16 << 26, -1, 0), HUGE);
	unmap(map("1g", NULL, 1ul << 30, RW, ANON | 30 << 26, -1, 0), 1ul << 30);
	unmap(map("fixed-odd", (void *)(0x7e0000000000 + PAGE), HUGE, RW, ANON | MAP_FIXED, -1, 0),
	      HUGE);
	unmap(map("all", NULL, POOL * HUGE, RW, ANON, -1, 0), POOL * HUGE);
	unmap(map("too-many", NULL, 9 * HUGE, RW, ANON, -1, 0), 9 * HUGE);
	unmap(map("noreserve", NULL, 9 * HUGE, RW, ANON | MAP_NORESERVE, -1, 0), 9 * HUGE);
	pool("end");
	set_pool(0);
	unmap(map("empty", NULL, HUGE, RW, ANON, -1, 0), HUGE);
}

static void hugetlb_change(long arg)
{
	char *at, *hole, *to;

	set_pool(POOL);
	at = map("map", NULL, 4 * HUGE, RW, ANON, -1, 0);
	touch(at, 4);
	hole = mmap(NULL, 8 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hole = (char *)(((uintptr_t)hole + HUGE - 1) & ~(HUGE - 1));
	result("mprotect-part", mprotect(at, PAGE, PROT_READ));
	result("mprotect", mprotect(at, HUGE, PROT_READ));
	result("mprotect-back", mprotect(at, HUGE, RW));
	result("dontneed-part", madvise(at, PAGE, MADV_DONTNEED));
	pool("part");
	result("dontneed-odd", madvise(at + PAGE, HUGE, MADV_DONTNEED));
	result("dontneed", madvise(at, HUGE, MADV_DONTNEED));
	say(" byte=%d", at[12345]);
	pool("dontneed");
	result("free", madvise(at, HUGE, MADV_FREE));
	result("dontdump", madvise(at, HUGE, MADV_DONTDUMP));
	result("dontfork-part", madvise(at, PAGE, MADV_DONTFORK));
	result("hugepage", madvise(at, HUGE, MADV_HUGEPAGE));
	to = mremap(at, 4 * HUGE, 5 * HUGE, MREMAP_MAYMOVE);
	result("grow", to == MAP_FAILED ? -1 : 0);
	to = mremap(at, 4 * HUGE, 3 * HUGE, 0);
	result("shrink", to == MAP_FAILED ? -1 : 0);
	pool("shrunk");
	to = mremap(at, 3 * HUGE, 3 * HUGE - PAGE, 0);
	result("shrink-part", to == MAP_FAILED ? -1 : 0);
	to = mremap(at, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole + PAGE);
	result("move-odd", to == MAP_FAILED ? -1 : 0);
	to = mremap(at + PAGE, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
	result("move-from-odd", to == MAP_FAILED ? -1 : 0);
	to = mremap(at, 3 * HUGE, 3 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
	result("move", to == MAP_FAILED ? -1 : 0);
	pool("moved");
	say(" byte=%d", to == MAP_FAILED ? -1 : to[HUGE + 12345]);
	at = mmap(hole + PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	result("over-part", at == MAP_FAILED ? -1 : 0);
	at = mmap(hole, HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	result("over", at == MAP_FAILED ? -1 : 0);
	pool("over");
	munmap(hole, 3 * HUGE);
	pool("end");
	set_pool(0);
}

static void hugetlb_memfd(long arg)
{
	struct statfs fs;
	struct stat st;
	void *at;
	int fd;

	set_pool(POOL);
	fd = result_fd("create", memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB));
	result_fd("2m", memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB | 21u << 26));
	result_fd("64k", memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB | 16u << 26));
	result_fd("size-alone", memfd_create("probe", MFD_CLOEXEC | 21u << 26));
	fstat(fd, &st);
	say_stat("new", &st);
	result("fstatfs", fstatfs(fd, &fs));
	say(" type=%lx bsize=%ld", (long)fs.f_type, (long)fs.f_bsize);
	result("truncate-odd", ftruncate(fd, PAGE));
	result("truncate", ftruncate(fd, 4 * (off_t)HUGE));
	result("write", write(fd, "x", 1));
	pool("truncated");
	at = map("map", NULL, 4 * HUGE, RW, MAP_SHARED, fd, 0);
	pool("mapped");
	result("get-seals", fcntl(fd, F_GET_SEALS));
	close(fd);
	pool("closed");
	unmap(at, 4 * HUGE);
	pool("unmapped");
	fd = memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB | MFD_ALLOW_SEALING);
	result("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	result("sealed", ftruncate(fd, (off_t)HUGE));
	close(fd);
	set_pool(0);
}

static void hugetlb_pool(long arg)
{
	char text[64] = "";
	void *at;
	int fd;

	set_pool(0);
	result("write", write_text(SYSFS "nr_hugepages", "4"));
	pool("four");
	result("hex", write_text(SYSFS "nr_hugepages", "0x3\n"));
	pool("three");
	result("word", write_text(SYSFS "nr_hugepages", "many\n"));
	result("empty", write_text(SYSFS "nr_hugepages", "\n"));
	result("minus", write_text(SYSFS "nr_hugepages", "-1\n"));
	result("free", write_text(SYSFS "free_hugepages", "1\n"));
	result("sysctl", write_text("/proc/sys/vm/nr_hugepages", "5\n"));
	pool("five");
	result("sysctl-word", write_text("/proc/sys/vm/nr_hugepages", "x\n"));
	result("node", write_text("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
				  "nr_hugepages",
				  "6\n"));
	pool("six");
	say(" sysctl=%ld mempolicy=%ld", read_number("/proc/sys/vm/nr_hugepages"),
	    read_number(SYSFS "nr_hugepages_mempolicy"));
	at = map("map", NULL, 4 * HUGE, RW, ANON, -1, 0);
	touch(at, 2);
	result("less", write_text(SYSFS "nr_hugepages", "1\n"));
	pool("less");
	say(" sysctl=%ld", read_number("/proc/sys/vm/nr_hugepages"));
	unmap(map("more", NULL, HUGE, RW, ANON, -1, 0), HUGE);
	unmap(at, 4 * HUGE);
	pool("unmapped");
	result("overcommit", write_text(SYSFS "nr_overcommit_hugepages", "2\n"));
	say(" overcommit=%ld", read_number("/proc/sys/vm/nr_overcommit_hugepages"));
	at = map("surplus", NULL, 3 * HUGE, RW, ANON, -1, 0);
	pool("surplus");
	unmap(map("beyond", NULL, HUGE, RW, ANON, -1, 0), HUGE);
	unmap(at, 3 * HUGE);
	pool("back");
	result("overcommit-off", write_text(SYSFS "nr_overcommit_hugepages", "0\n"));
	result("group", write_text("/proc/sys/vm/hugetlb_shm_group", "5\n"));
	say(" group=%ld", read_number("/proc/sys/vm/hugetlb_shm_group"));
	write_text("/proc/sys/vm/hugetlb_shm_group", "0\n");
	fd = open(SYSFS "nr_hugepages", O_RDONLY);
	result("read", read(fd, text, sizeof(text)));
	say(" text=%d", !strcmp(text, "1\n"));
	close(fd);
	set_pool(0);
}

static void hugetlb_shm(long arg)
{
	struct shmid_ds ds;
	void *at;
	int id;

	set_pool(POOL);
	id = shmget(IPC_PRIVATE, 2 * HUGE, IPC_CREAT | SHM_HUGETLB | 0600);
	result("shmget", id < 0 ? -1 : 0);
	pool("got");
	at = shmat(id, NULL, 0);
	result("shmat", at == (void *)-1 ? -1 : 0);
	say(" aligned=%d", (uintptr_t)at % HUGE == 0);
	touch(at, 1);
	pool("touched");
	result("stat", shmctl(id, IPC_STAT, &ds));
	say(" size=%ld", (long)ds.shm_segsz);
	result("shmdt", shmdt(at));
	pool("detached");
	result("rmid", shmctl(id, IPC_RMID, NULL));
	pool("removed");
	id = shmget(IPC_PRIVATE, 9 * HUGE, IPC_CREAT | SHM_HUGETLB | 0600);
	result("too-many", id < 0 ? -1 : 0);
	id = shmget(IPC_PRIVATE, HUGE, IPC_CREAT | SHM_HUGETLB | 16 << 26 | 0600);
	result("64k", id < 0 ? -1 : 0);
	set_pool(0);
}

/* Whether @path has a line that begins with @start and, behind it, @rest. */
static bool has_line(const char *path, const char *start, const char *rest)
{
	FILE *file = fopen(path, "r");
	char line[1024];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, start, strlen(start)) && strstr(line, rest);
	if (file)
		fclose(file);
	return found;
}

/* KernelPageSize of the mapping that begins at @at. */
static long kernel_page_size(const void *at)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	char line[1024], start[32];
	bool here = false;
	long size = -1;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)at);
	while (file && size < 0 && fgets(line, sizeof(line), file)) {
		if (!here)
			here = !strncmp(line, start, strlen(start));
		else if (sscanf(line, "KernelPageSize: %ld", &size) != 1)
			size = -1;
	}
	if (file)
		fclose(file);
	return size;
}

static void hugetlb_text(long arg)
{
	char line[128];
	void *at;

	start();
	snprintf(line, sizeof(line), "nodev %s hugetlbfs rw,relatime,mode=750,pagesize=2M 0 0",
		 mount_point);
	say(" mounts=%d self=%d", has_line("/proc/mounts", line, ""),
	    has_line("/proc/self/mounts", line, ""));
	snprintf(line, sizeof(line), " / %s rw,relatime", mount_point);
	say(" mountinfo=%d", has_line("/proc/self/mountinfo", "", line));
	say(" source=%d",
	    has_line("/proc/self/mountinfo", "", " - hugetlbfs nodev rw,mode=750,pagesize=2M"));
	say(" filesystems=%d", has_line("/proc/filesystems", "nodev\thugetlbfs\n", ""));
	say(" total=%d", has_line("/proc/meminfo", "HugePages_Total:       8\n", ""));
	at = map("map", NULL, 2 * HUGE, RW, ANON, -1, 0);
	touch(at, 1);
	say(" free=%d", has_line("/proc/meminfo", "HugePages_Free:        7\n", ""));
	say(" rsvd=%d", has_line("/proc/meminfo", "HugePages_Rsvd:        1\n", ""));
	say(" surp=%d", has_line("/proc/meminfo", "HugePages_Surp:        0\n", ""));
	say(" size=%d", has_line("/proc/meminfo", "Hugepagesize:       2048 kB\n", ""));
	say(" hugetlb=%d", has_line("/proc/meminfo", "Hugetlb:           16384 kB\n", ""));
	say(" kernel-page-size=%ld", kernel_page_size(at));
	unmap(at, 2 * HUGE);
	end();
}

static void hugetlb_mounts(long arg)
{
	char dir[] = "/tmp/uapi-huge.XXXXXX";

	mkdir("/tmp", 0777);
	if (!mkdtemp(dir))
		setup_failed("mkdtemp");
	result("umount", umount(dir));
	result("missing", mount("nodev", "/tmp/none/none", "hugetlbfs", 0, NULL));
	result("file", mount("nodev", "/proc/self/exe", "hugetlbfs", 0, NULL));
	result("size-odd", mount("nodev", dir, "hugetlbfs", 0, "pagesize=64K"));
	result("word", mount("nodev", dir, "hugetlbfs", 0, "nonsense"));
	result("value", mount("nodev", dir, "hugetlbfs", 0, "nonsense=1"));
	result("mode", mount("nodev", dir, "hugetlbfs", 0, "mode=x"));
	result("bytes", mount("nodev", dir, "hugetlbfs", 0, "pagesize=2097152"));
	result("umount", umount(dir));
	result("options", mount("nodev", dir, "hugetlbfs", 0,
				"pagesize=2M,size=8M,min_size=4M,nr_inodes=10,uid=3,gid=4"));
	result("detach", umount2(dir, MNT_DETACH));
	result("umount-again", umount(dir));
	rmdir(dir);
}

static const struct probe probes[] = {
	{ "hugetlb-statfs", hugetlb_statfs, 0, 0 },
	{ "hugetlb-file", hugetlb_file, 0, 0 },
	{ "hugetlb-rules", hugetlb_rules, 0, 0 },
	{ "hugetlb-io", hugetlb_io, 0, 0 },
	{ "hugetlb-names", hugetlb_names, 0, 0 },
	{ "hugetlb-anonymous", hugetlb_anonymous, 0, 0 },
	{ "hugetlb-change", hugetlb_change, 0, 0 },
	{ "hugetlb-memfd", hugetlb_memfd, 0, 0 },
	{ "hugetlb-pool", hugetlb_pool, 0, 0 },
	{ "hugetlb-shm", hugetlb_shm, 0, 0 },
	{ "hugetlb-text", hugetlb_text, 0, 0 },
	{ "hugetlb-mounts", hugetlb_mounts, 0, 0 },
};

PROBE_SET(hugetlb_probes, probes);
