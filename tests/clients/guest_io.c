/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The I/O test inside the guest: `guest_io DEVICE` writes random blocks at random places with
 * O_DIRECT and keeps what each place must hold in memory, reads them all back and compares, in two
 * rounds with a flush between. Requests are of 1 to 256 blocks, so that PRP lists of all lengths
 * occur.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#define BLOCK	   512u
#define AREA	   (16u << 20) /* of the device that is used */
#define MAX_BLOCKS 256u
#define REQUESTS   400u

static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int fail(const char *what, uint64_t at)
{
	printf("%s at %#llx: %s\n", what, (unsigned long long)at, strerror(errno));
	return 1;
}

static int write_some(int fd, unsigned char *model, unsigned char *buf)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		uint64_t blocks = 1 + next_random() % MAX_BLOCKS;
		uint64_t at = next_random() % (AREA / BLOCK - blocks) * BLOCK;

		for (uint64_t k = 0; k < blocks * BLOCK / 8; k++)
			((uint64_t *)buf)[k] = next_random();
		memcpy(model + at, buf, blocks * BLOCK);
		if (pwrite(fd, buf, blocks * BLOCK, (off_t)at) != (ssize_t)(blocks * BLOCK))
			return fail("write", at);
	}
	return fsync(fd) ? fail("fsync", 0) : 0;
}

static int compare_all(int fd, const unsigned char *model, unsigned char *buf)
{
	uint64_t at = 0;

	while (at < AREA) {
		uint64_t blocks = 1 + next_random() % MAX_BLOCKS;

		if (blocks * BLOCK > AREA - at)
			blocks = (AREA - at) / BLOCK;
		if (pread(fd, buf, blocks * BLOCK, (off_t)at) != (ssize_t)(blocks * BLOCK))
			return fail("read", at);
		if (memcmp(buf, model + at, blocks * BLOCK)) {
			errno = EILSEQ;
			return fail("compare", at);
		}
		at += blocks * BLOCK;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = open(argc > 1 ? argv[1] : "/dev/nvme0n1", O_RDWR | O_DIRECT);
	unsigned char *model = aligned_alloc(4096, AREA);
	unsigned char *buf = aligned_alloc(4096, MAX_BLOCKS * BLOCK);
	uint64_t size = 0;

	if (fd < 0)
		return fail("open", 0);
	if (!model || !buf || ioctl(fd, BLKGETSIZE64, &size) || size < AREA)
		return fail("size", size);
	printf("size %llu\n", (unsigned long long)size);
	for (uint64_t at = 0; at < AREA; at += MAX_BLOCKS * BLOCK)
		if (pread(fd, model + at, MAX_BLOCKS * BLOCK, (off_t)at) < 0)
			return fail("first read", at);
	for (int round = 0; round < 2; round++)
		if (write_some(fd, model, buf) || compare_all(fd, model, buf))
			return 1;
	printf("%u requests compared equal\n", 2 * REQUESTS);
	return 0;
}
