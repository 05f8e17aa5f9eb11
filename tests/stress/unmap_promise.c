/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The promise: after VFIO_IOMMU_UNMAP_DMA returns, no device touches the memory.
 *
 * Four threads map and unmap slots of an IOVA window, while an NVMe controller reads blocks of 0xee
 * into random slots. After each unmap the thread fills the memory with a pattern, looks at it a
 * moment later, and unmaps it from the process. A byte that changed is a broken promise.
 *
 * unmap_promise [SECONDS [forge]]: "forge" leaves the unmap out now and then; the test must then
 * find a changed byte, which shows that it can fail.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "door.h"
#include "nvme_driver.h"

#define THREADS	    4
#define SLOTS	    16 /* each thread has SLOTS / THREADS of them */
#define SLOT_SIZE   0x4000u
#define WINDOW_IOVA 0x100000000ULL
#define DISK_BYTE   0xee
#define PATTERN	    0x11
/* Of the first device: root complex and port come before it. */
#define DEFAULT_GROUP "/dev/vfio/2"

#ifdef DOOR_API
struct uvfio_machine *door_machine;
#endif

static struct nvme_driver nvme;
static atomic_bool stop;
static atomic_ulong broken, rounds, reads_ok, reads_failed;
static bool forge;

static bool changed(const volatile uint8_t *memory)
{
	for (unsigned int i = 0; i < SLOT_SIZE; i++)
		if (memory[i] != PATTERN)
			return true;
	return false;
}

/* What a program does with memory that is its own again. */
static void use_memory(uint8_t *memory, unsigned int round)
{
	memset(memory, PATTERN, SLOT_SIZE);
	for (volatile unsigned int spin = 0; spin < (round % 7) * 200; spin++)
		;
	if (changed(memory))
		atomic_fetch_add(&broken, 1);
}

static void *mapper(void *arg)
{
	unsigned int id = (unsigned int)(uintptr_t)arg, round = 0, seed = id;

	while (!atomic_load(&stop)) {
		unsigned int slot =
			id + THREADS * ((unsigned int)rand_r(&seed) % (SLOTS / THREADS));
		uint64_t iova = WINDOW_IOVA + slot * (uint64_t)SLOT_SIZE;
		uint8_t *memory = mmap(NULL, SLOT_SIZE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		bool forged = forge && round % 16 == 5;

		if (memory == MAP_FAILED || nvme_driver_map(&nvme, memory, iova, SLOT_SIZE))
			abort();
		for (volatile unsigned int spin = 0; spin < (round % 11) * 500; spin++)
			;
		if (!forged && nvme_driver_unmap(&nvme, iova, SLOT_SIZE))
			abort();
		if (forged)
			for (int i = 0; i < 50; i++)
				use_memory(memory, 6);
		else
			use_memory(memory, round);
		if (forged && nvme_driver_unmap(&nvme, iova, SLOT_SIZE))
			abort();
		door_munmap(memory, SLOT_SIZE);
		round++;
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

static void *device(void *arg __attribute__((unused)))
{
	unsigned int seed = 12345;

	while (!atomic_load(&stop)) {
		unsigned int page = (unsigned int)rand_r(&seed) % (SLOTS * SLOT_SIZE / 4096);
		int status = nvme_driver_rw(&nvme, 0, 0, 8, WINDOW_IOVA + page * 4096ULL);

		if (status < 0) {
			fprintf(stderr, "the controller does not answer any more\n");
			exit(1);
		}
		atomic_fetch_add(status ? &reads_failed : &reads_ok, 1);
	}
	return NULL;
}

static int fill_disk(void)
{
	uint8_t *memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (memory == MAP_FAILED)
		return -ENOMEM;
	memset(memory, DISK_BYTE, 4096);
	rc = nvme_driver_map(&nvme, memory, WINDOW_IOVA, 4096);
	rc = rc ? rc : nvme_driver_rw(&nvme, 1, 0, 8, WINDOW_IOVA);
	rc = rc ? rc : nvme_driver_unmap(&nvme, WINDOW_IOVA, 4096);
	door_munmap(memory, 4096);
	return rc;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 2;
	const char *env = getenv("UVFIO_STRESS_SECONDS"), *group = getenv("STRESS_GROUP");
	struct timespec length;
	pthread_t threads[THREADS + 1];

	forge = argc > 2 && !strcmp(argv[2], "forge");
	if (env && !forge)
		seconds = atof(env);
#ifdef DOOR_API
	char err[256] = "";

	if (uvfio_machine_create(&(struct uvfio_machine_config){ 0 }, &door_machine, err,
				 sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
#endif
	if (nvme_driver_open(&nvme, group ? group : DEFAULT_GROUP, "0000:01:00.0") || fill_disk())
		return 1;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, mapper, (void *)i);
	pthread_create(&threads[THREADS], NULL, device, NULL);
	length.tv_sec = (time_t)seconds;
	length.tv_nsec = (long)((seconds - (double)length.tv_sec) * 1e9);
	nanosleep(&length, NULL);
	atomic_store(&stop, true);
	for (int i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	nvme_driver_close(&nvme);
#ifdef DOOR_API
	uvfio_machine_destroy(door_machine);
#endif
	printf("%lu maps, %lu reads into mapped, %lu into unmapped memory, %lu broken promises%s\n",
	       atomic_load(&rounds), atomic_load(&reads_ok), atomic_load(&reads_failed),
	       atomic_load(&broken), forge ? " (some forged)" : "");
	if (!atomic_load(&reads_ok) || !atomic_load(&reads_failed))
		return 1;
	return forge ? atomic_load(&broken) == 0 : atomic_load(&broken) != 0;
}
