/* SPDX-License-Identifier: BSD-3-Clause */
/* Migration of a card: the data files, what is refused, and that no character is lost. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/mtty/fixture.h"
#include "drivers/mtty/stream.h"
#include "vfio/migration.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX

static struct vfio_device *a, *b, *c; /* two ports, two ports, one port */

static void setup(void)
{
	mtty_fixture_setup();
	a = mtty_fixture_create("mtty-2", UUID_A);
	b = mtty_fixture_create("mtty-2", UUID_B);
	c = mtty_fixture_create("mtty-1", UUID_C);
	ck_assert_int_eq(a->ops->open_device(a), 0);
	ck_assert_int_eq(b->ops->open_device(b), 0);
	ck_assert_int_eq(c->ops->open_device(c), 0);
}

static void teardown(void)
{
	c->ops->close_device(c);
	b->ops->close_device(b);
	a->ops->close_device(a);
	mtty_fixture_teardown();
}

/* The file of the state, or NULL. */
static struct file *enter(struct vfio_device *vdev, enum vfio_device_mig_state state)
{
	struct file *file = NULL;
	enum vfio_device_mig_state now;

	ck_assert_int_eq(vdev->mig_ops->set_state(vdev, state, &file), 0);
	ck_assert_int_eq(vdev->mig_ops->get_state(vdev, &now), 0);
	ck_assert_int_eq(now, state);
	return file;
}

static int try_enter(struct vfio_device *vdev, enum vfio_device_mig_state state)
{
	struct file *file = NULL;
	int ret = vdev->mig_ops->set_state(vdev, state, &file);

	ck_assert_ptr_null(file);
	return ret;
}

static uint8_t rd(struct vfio_device *vdev, unsigned int reg)
{
	uint8_t val = 0;

	ck_assert_int_eq(vdev->ops->region_read(vdev, BAR0, reg, &val, 1), 1);
	return val;
}

static void wr(struct vfio_device *vdev, unsigned int reg, unsigned int val)
{
	uint8_t byte = (uint8_t)val;

	ck_assert_int_eq(vdev->ops->region_write(vdev, BAR0, reg, &byte, 1), 1);
}

static ssize_t get(struct file *file, void *buf, size_t len)
{
	return file_read(file, (uintptr_t)buf, len);
}

static ssize_t put(struct file *file, const void *buf, size_t len)
{
	return file_write(file, (uintptr_t)buf, len);
}

static struct mtty_stream save(struct vfio_device *vdev)
{
	struct mtty_stream stream;
	struct file *file;

	enter(vdev, VFIO_DEVICE_STATE_STOP);
	file = enter(vdev, VFIO_DEVICE_STATE_STOP_COPY);
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(get(file, &stream, sizeof(stream) + 1), sizeof(stream));
	ck_assert_int_eq(get(file, &stream, 1), 0);
	ck_assert_ptr_null(enter(vdev, VFIO_DEVICE_STATE_STOP));
	ck_assert_int_eq(get(file, &stream, 1), -ENODEV);
	file_put(file);
	return stream;
}

/* The result of leaving RESUMING. */
static int load(struct vfio_device *vdev, const struct mtty_stream *stream, size_t len)
{
	struct file *file;
	int ret;

	enter(vdev, VFIO_DEVICE_STATE_STOP);
	file = enter(vdev, VFIO_DEVICE_STATE_RESUMING);
	ck_assert_ptr_nonnull(file);
	put(file, stream, len);
	ret = try_enter(vdev, VFIO_DEVICE_STATE_STOP);
	if (!ret)
		ck_assert_int_eq(put(file, stream, 0), -ENODEV);
	file_put(file);
	return ret;
}

/* 32 characters are on their way in a loopback, 16 in each FIFO, and a sender goes on. */
START_TEST(characters_in_flight)
{
	struct mtty_stream stream;
	unsigned int n = 0;

	wr(a, UART_FCR, UART_FCR_ENABLE | 0x80);
	wr(a, UART_LCR, UART_LCR_DLAB);
	wr(a, UART_THR, 0x0c);
	wr(a, UART_LCR, 0x03);
	wr(a, UART_IER, UART_IER_RDI | UART_IER_THRI);
	wr(a, UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	wr(a, UART_SCR, 0x77);
	for (unsigned int i = 0; i < 32; i++)
		wr(a, UART_THR, i);
	stream = save(a);
	ck_assert_int_eq(load(b, &stream, sizeof(stream)), 0);
	enter(b, VFIO_DEVICE_STATE_RUNNING);
	ck_assert_uint_eq(rd(b, UART_SCR), 0x77);
	ck_assert_uint_eq(rd(b, UART_MCR), UART_MCR_DTR | UART_MCR_RTS);
	ck_assert_uint_eq(rd(b, UART_IER), UART_IER_RDI | UART_IER_THRI);
	ck_assert_uint_eq(rd(b, UART_IIR), UART_IIR_FIFO | UART_IIR_RDI);
	while (rd(b, UART_LSR) & UART_LSR_DR)
		ck_assert_uint_eq(rd(b, UART_RBR), n++);
	ck_assert_uint_eq(n, 32);
	ck_assert_uint_eq(rd(b, UART_IIR), UART_IIR_FIFO | UART_IIR_THRI);
	wr(b, UART_LCR, UART_LCR_DLAB);
	ck_assert_uint_eq(rd(b, UART_RBR), 0x0c);
	ck_assert(!(rd(b, UART_LSR) & UART_LSR_OE));
}
END_TEST

/* What another card sends while this one stands still waits on the cable. */
START_TEST(cable_stands_still)
{
	struct mtty_stream stream;

	a->ops->close_device(a);
	b->ops->close_device(b);
	mtty_fixture_store(UUID_A, "vendor/port0", "cable:" UUID_B ":0", 0);
	ck_assert_int_eq(a->ops->open_device(a), 0);
	ck_assert_int_eq(b->ops->open_device(b), 0);
	wr(a, UART_FCR, UART_FCR_ENABLE);
	wr(b, UART_FCR, UART_FCR_ENABLE);
	wr(a, UART_MCR, UART_MCR_DTR);
	wr(b, UART_THR, '1');
	enter(a, VFIO_DEVICE_STATE_STOP);
	wr(b, UART_THR, '2');
	ck_assert_uint_eq(rd(b, UART_LSR) & UART_LSR_THRE, 0);
	stream = save(a);
	ck_assert_uint_eq(stream.port[0].rx_count, 1);
	enter(a, VFIO_DEVICE_STATE_RUNNING);
	ck_assert_uint_eq(rd(a, UART_RBR), '1');
	ck_assert_uint_eq(rd(a, UART_RBR), '2');
	ck_assert_uint_eq(rd(b, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(precopy)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };
	struct file *file = enter(a, VFIO_DEVICE_STATE_PRE_COPY), *other;
	uint8_t buf[256];

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(file_ioctl(file, VFIO_MIG_GET_PRECOPY_INFO, (uintptr_t)&info), 0);
	ck_assert_uint_eq(info.initial_bytes, 24);
	ck_assert_uint_eq(info.dirty_bytes, 0);
	ck_assert_int_eq(file_read(file, 16, 10), -EFAULT);
	ck_assert_int_eq(get(file, buf, 10), 10);
	ck_assert_int_eq(file_ioctl(file, VFIO_MIG_GET_PRECOPY_INFO, (uintptr_t)&info), 0);
	ck_assert_uint_eq(info.initial_bytes, 14);
	ck_assert_int_eq(get(file, buf + 10, 100), 14);
	ck_assert_int_eq(get(file, buf + 24, 100), 0);
	/* Still running: what comes now is saved, too. */
	wr(a, UART_SCR, 0x42);
	ck_assert_ptr_null(enter(a, VFIO_DEVICE_STATE_PRE_COPY_P2P));
	ck_assert_ptr_null(enter(a, VFIO_DEVICE_STATE_STOP_COPY));
	ck_assert_int_eq(file_ioctl(file, VFIO_MIG_GET_PRECOPY_INFO, (uintptr_t)&info), -EINVAL);
	ck_assert_int_eq(get(file, buf + 24, sizeof(buf) - 24), 128);
	enter(a, VFIO_DEVICE_STATE_RUNNING);
	file_put(file);
	enter(b, VFIO_DEVICE_STATE_STOP);
	file = enter(b, VFIO_DEVICE_STATE_RESUMING);
	for (unsigned int i = 0; i < sizeof(struct mtty_stream); i++)
		ck_assert_int_eq(put(file, buf + i, 1), 1);
	ck_assert_int_eq(put(file, buf, 1), -ENOMEM);
	enter(b, VFIO_DEVICE_STATE_RUNNING);
	ck_assert_uint_eq(rd(b, UART_SCR), 0x42);
	file_put(file);
	/* Given up: the file is of no use any more, a new one is. */
	file = enter(a, VFIO_DEVICE_STATE_PRE_COPY);
	ck_assert_ptr_null(enter(a, VFIO_DEVICE_STATE_RUNNING));
	ck_assert_int_eq(get(file, buf, 1), -ENODEV);
	other = enter(a, VFIO_DEVICE_STATE_PRE_COPY);
	ck_assert_int_eq(file_ioctl(file, VFIO_MIG_GET_PRECOPY_INFO, (uintptr_t)&info), -ENODEV);
	ck_assert_int_eq(get(other, buf, 1), 1);
	file_put(file);
	/* A reset ends it. */
	ck_assert_int_eq(a->ops->reset(a), 0);
	ck_assert_int_eq(get(other, buf, 1), -ENODEV);
	file_put(other);
}
END_TEST

START_TEST(refused)
{
	struct mtty_stream good = save(a), bad;
	struct file *file;

	ck_assert_int_eq(load(b, &good, sizeof(good) - 1), -EINVAL);
	/* RESUMING goes on; the rest may still come. */
	ck_assert_int_eq(b->ops->reset(b), 0);
	ck_assert_int_eq(load(c, &good, 88), -EINVAL);
	ck_assert_int_eq(c->ops->reset(c), 0);
	for (size_t i = 0; i < sizeof(good.head); i++) {
		bad = good;
		((uint8_t *)&bad)[i] ^= 1;
		enter(b, VFIO_DEVICE_STATE_STOP);
		file = enter(b, VFIO_DEVICE_STATE_RESUMING);
		ck_assert_int_eq(put(file, &bad, sizeof(bad)), -EFAULT);
		ck_assert_int_eq(try_enter(b, VFIO_DEVICE_STATE_STOP), -EINVAL);
		ck_assert_int_eq(b->ops->reset(b), 0);
		file_put(file);
	}
	bad = good;
	bad.port[1].rx_count = 17;
	ck_assert_int_eq(load(b, &bad, sizeof(bad)), -EINVAL);
	ck_assert_int_eq(b->ops->reset(b), 0);
	bad = good;
	bad.port[0].zero[1] = 1;
	ck_assert_int_eq(load(b, &bad, sizeof(bad)), -EINVAL);
	ck_assert_int_eq(b->ops->reset(b), 0);
	ck_assert_int_eq(load(b, &good, sizeof(good)), 0);
}
END_TEST

/* Whatever is sent, a card has a state that a UART can have, or the old one. */
START_TEST(random_streams)
{
	struct mtty_stream good = save(a), bad;
	struct mtty_card *card = to_card(b);
	unsigned int seed = 4711, taken = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		bad = good;
		for (unsigned int n = (unsigned int)rand_r(&seed) % 6; n; n--)
			((uint8_t *)&bad)[(size_t)rand_r(&seed) % sizeof(bad)] =
				(uint8_t)rand_r(&seed);
		if (load(b, &bad, sizeof(bad)))
			ck_assert_int_eq(b->ops->reset(b), 0);
		else
			taken++;
		enter(b, VFIO_DEVICE_STATE_RUNNING);
		for (unsigned int p = 0; p < 2; p++)
			ck_assert(uart_valid(&card->ports->port[card->number[p]].uart));
	}
	ck_assert_uint_gt(taken, 100);
	ck_assert_uint_lt(taken, 19900);
}
END_TEST

START_TEST(closing)
{
	struct file *file = enter(a, VFIO_DEVICE_STATE_PRE_COPY);
	enum vfio_device_mig_state state;
	uint64_t size = 0;
	uint8_t byte;

	ck_assert_int_eq(a->mig_ops->get_data_size(a, &size), 0);
	ck_assert_uint_eq(size, 152);
	ck_assert_int_eq(c->mig_ops->get_data_size(c, &size), 0);
	ck_assert_uint_eq(size, 88);
	a->ops->close_device(a);
	ck_assert_int_eq(get(file, &byte, 1), -ENODEV);
	ck_assert_int_eq(a->mig_ops->get_state(a, &state), 0);
	ck_assert_int_eq(state, VFIO_DEVICE_STATE_PRE_COPY);
	/* The file outlives even the instance. */
	ck_assert_int_eq(mdev_device_remove(mdev_find_device(UUID_A)), 0);
	ck_assert_int_eq(get(file, &byte, 1), -ENODEV);
	file_put(file);
	a = mtty_fixture_create("mtty-2", UUID_A);
	ck_assert_int_eq(a->ops->open_device(a), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("migrate");
	TCase *tc = tcase_create("migrate");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, characters_in_flight);
	tcase_add_test(tc, cable_stands_still);
	tcase_add_test(tc, precopy);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, random_streams);
	tcase_add_test(tc, closing);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
