/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports of several cards and the lines between them. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/mtty/port.h"

#define A "aaaaaaaa-0000-0000-0000-000000000001"
#define B "bbbbbbbb-0000-0000-0000-000000000002"

static struct mtty_ports *ports;
static uint8_t a[2], b[2];

static void setup(void)
{
	ports = calloc(1, sizeof(*ports));
	ck_assert_int_eq(mtty_ports_take(ports, A, 2, a), 0);
	ck_assert_int_eq(mtty_ports_take(ports, B, 1, b), 0);
}

static void teardown(void)
{
	free(ports);
}

static uint8_t rd(unsigned int port, unsigned int reg)
{
	return mtty_port_read(ports, port, reg);
}

static void wr(unsigned int port, unsigned int reg, unsigned int val)
{
	mtty_port_write(ports, port, reg, (uint8_t)val);
}

static void drive(unsigned int port)
{
	wr(port, UART_FCR, UART_FCR_ENABLE);
	wr(port, UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
}

static void plug(unsigned int port)
{
	struct mtty_line line = ports->port[port].configured;

	mtty_port_plug(ports, port, &line, false);
}

static void cable(void)
{
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "cable:" B ":0\n"), 0);
	plug(a[0]);
	plug(b[0]);
}

START_TEST(taking)
{
	uint8_t n[2];
	char uuid[37];

	ck_assert_uint_eq(mtty_ports_free(ports), 21);
	for (unsigned int i = 0; i < 10; i++) {
		snprintf(uuid, sizeof(uuid), "cccccccc-0000-0000-0000-%012u", i);
		ck_assert_int_eq(mtty_ports_take(ports, uuid, 2, n), 0);
	}
	ck_assert_uint_eq(mtty_ports_free(ports), 1);
	ck_assert_int_eq(mtty_ports_take(ports, "x", 2, n), -ENOSPC);
	ck_assert_uint_eq(mtty_ports_free(ports), 1);
	ck_assert_int_eq(mtty_ports_take(ports, "x", 1, n), 0);
	ck_assert_int_eq(mtty_ports_take(ports, "y", 1, n), -ENOSPC);
	mtty_ports_release(ports, A);
	ck_assert_uint_eq(mtty_ports_free(ports), 2);
	ck_assert_int_eq(mtty_port_find(ports, A, 0), -ENODEV);
	ck_assert_int_eq(mtty_port_find(ports, B, 0), b[0]);
	ck_assert_int_eq(mtty_port_find(ports, B, 1), -ENODEV);
}
END_TEST

/* Nobody has set DTR or RTS: as in Linux's sample, 16 characters fit and the 17th is an overrun. */
START_TEST(loopback_as_the_sample)
{
	plug(a[0]);
	wr(a[0], UART_FCR, UART_FCR_ENABLE);
	ck_assert_uint_eq(rd(a[0], UART_MSR) & UART_MSR_LINES,
			  UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	for (unsigned int i = 0; i < 16; i++)
		wr(a[0], UART_THR, i);
	ck_assert_uint_eq(rd(a[0], UART_LSR) & (UART_LSR_DR | UART_LSR_OE), UART_LSR_DR);
	wr(a[0], UART_THR, 99);
	ck_assert(rd(a[0], UART_LSR) & UART_LSR_OE);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_uint_eq(rd(a[0], UART_RBR), i);
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	/* The other port of the card heard nothing. */
	ck_assert_uint_eq(rd(a[1], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(loopback_waits)
{
	plug(a[0]);
	drive(a[0]);
	for (unsigned int i = 0; i < 32; i++)
		wr(a[0], UART_THR, i);
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_DR);
	for (unsigned int i = 0; i < 32; i++) {
		ck_assert(rd(a[0], UART_LSR) & UART_LSR_DR);
		ck_assert_uint_eq(rd(a[0], UART_RBR), i);
	}
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(null_modem)
{
	uint32_t bell;

	cable();
	ck_assert_uint_eq(rd(a[0], UART_MSR), 0);
	drive(b[0]);
	ck_assert_uint_eq(rd(a[0], UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD |
						      UART_MSR_DCTS | UART_MSR_DDSR |
						      UART_MSR_DDCD);
	wr(b[0], UART_MCR, UART_MCR_DTR);
	ck_assert_uint_eq(rd(a[0], UART_MSR), UART_MSR_DSR | UART_MSR_DCD | UART_MSR_DCTS);
	bell = ports->port[b[0]].bell;
	wr(a[0], UART_THR, 'h');
	ck_assert_uint_ne(ports->port[b[0]].bell, bell);
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(rd(b[0], UART_RBR), 'h');
	wr(a[0], UART_LCR, UART_LCR_BREAK | 3);
	ck_assert(rd(b[0], UART_LSR) & UART_LSR_BI);
}
END_TEST

/* The sender waits while the receiver is full, and goes on when it is read. */
START_TEST(cable_waits)
{
	uint32_t bell;

	cable();
	drive(a[0]);
	drive(b[0]);
	wr(a[0], UART_IER, UART_IER_THRI);
	for (unsigned int i = 0; i < 32; i++)
		wr(a[0], UART_THR, i);
	rd(a[0], UART_IIR);
	ck_assert_uint_eq(rd(a[0], UART_LSR), 0);
	bell = ports->port[a[0]].bell;
	for (unsigned int i = 0; i < 32; i++)
		ck_assert_uint_eq(rd(b[0], UART_RBR), i);
	ck_assert_uint_ne(ports->port[a[0]].bell, bell);
	ck_assert_uint_eq(uart_pending(&ports->port[a[0]].uart), UART_INT_TX);
	ck_assert(!(rd(b[0], UART_LSR) & UART_LSR_OE));
	/* Switching off the receiver lets it go. */
	for (unsigned int i = 0; i < 32; i++)
		wr(a[0], UART_THR, i);
	ck_assert_uint_eq(rd(a[0], UART_LSR), 0);
	wr(b[0], UART_MCR, 0);
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert(rd(b[0], UART_LSR) & UART_LSR_OE);
}
END_TEST

START_TEST(unplugged)
{
	cable();
	drive(a[0]);
	drive(b[0]);
	for (unsigned int i = 0; i < 32; i++)
		wr(a[0], UART_THR, i);
	ck_assert_uint_eq(rd(a[0], UART_LSR), 0);
	rd(a[0], UART_MSR);
	mtty_port_unplug(ports, b[0]);
	/* The signals fall, and what is sent goes nowhere. */
	ck_assert_uint_eq(rd(a[0], UART_MSR), UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	plug(b[0]);
	ck_assert_uint_eq(rd(a[0], UART_MSR) & UART_MSR_LINES,
			  UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
}
END_TEST

static void *look(void *arg)
{
	mtty_port_look(ports, a[0]);
	return NULL;
}

/* The process at one end is killed while its receiver makes the other one wait. */
START_TEST(death_at_the_other_end)
{
	struct mtty_ports *own = ports;
	pthread_t thread;
	int status;
	pid_t pid;

	ports = mmap(NULL, sizeof(*ports), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ck_assert_ptr_ne(ports, MAP_FAILED);
	ck_assert_int_eq(mtty_ports_take(ports, A, 2, a), 0);
	ck_assert_int_eq(mtty_ports_take(ports, B, 1, b), 0);
	cable();
	drive(a[0]);
	pid = fork();
	if (!pid) {
		mtty_port_attach(&ports->port[b[0]]);
		drive(b[0]);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	for (unsigned int i = 0; i < 32; i++)
		wr(a[0], UART_THR, i);
	ck_assert_uint_eq(rd(a[0], UART_LSR), 0);
	mtty_port_look(ports, a[0]);
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(rd(a[0], UART_MSR) & UART_MSR_LINES, 0);
	/* Another one opens it. */
	mtty_port_attach(&ports->port[b[0]]);
	plug(b[0]);
	ck_assert_uint_ne(rd(a[0], UART_MSR) & UART_MSR_LINES, 0);
	pthread_create(&thread, NULL, look, NULL);
	pthread_join(thread, NULL);
	ck_assert_uint_ne(rd(a[0], UART_MSR) & UART_MSR_LINES, 0);
	mtty_port_detach(&ports->port[b[0]]);
	/* Killed before anybody stood there. */
	mtty_port_look(ports, a[0]);
	ck_assert_uint_eq(rd(a[0], UART_MSR) & UART_MSR_LINES, 0);
	munmap(ports, sizeof(*ports));
	ports = own;
}
END_TEST

START_TEST(stopped)
{
	plug(a[0]);
	drive(a[0]);
	mtty_port_stop(ports, a[0], true);
	for (unsigned int i = 0; i < 16; i++)
		wr(a[0], UART_THR, i);
	ck_assert_uint_eq(rd(a[0], UART_LSR), 0);
	mtty_port_stop(ports, a[0], false);
	ck_assert_uint_eq(rd(a[0], UART_LSR), UART_LSR_DR | UART_LSR_THRE | UART_LSR_TEMT);
	cable();
	drive(a[0]);
	wr(a[0], UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	drive(b[0]);
	mtty_port_stop(ports, b[0], true);
	wr(a[0], UART_THR, 'x');
	ck_assert_uint_eq(rd(a[0], UART_LSR), 0);
	ck_assert_uint_eq(rd(b[0], UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	mtty_port_stop(ports, b[0], false);
	ck_assert_uint_eq(rd(b[0], UART_RBR), 'x');
}
END_TEST

static const char *shown(unsigned int port)
{
	static char buf[512];

	mtty_line_show(ports, port, buf, sizeof(buf));
	return buf;
}

START_TEST(options)
{
	char path[600];

	ck_assert_str_eq(shown(a[0]), "loopback\n");
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "pty"), 0);
	ck_assert_str_eq(shown(a[0]), "pty\n");
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "file:/tmp/log\n"), 0);
	ck_assert_str_eq(shown(a[0]), "file:/tmp/log\n");
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "file:log"), -EINVAL);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "nonsense"), -EINVAL);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "\n"), -EINVAL);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], ""), -EINVAL);
	memset(path, 'x', sizeof(path));
	memcpy(path, "file:/", 6);
	path[5 + MTTY_PATH_LEN] = '\0';
	ck_assert_int_eq(mtty_line_parse(ports, a[0], path), -EINVAL);
	path[4 + MTTY_PATH_LEN] = '\0';
	ck_assert_int_eq(mtty_line_parse(ports, a[0], path), 0);
	ck_assert_uint_eq(strlen(shown(a[0])), 5 + MTTY_PATH_LEN);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "cable:" A ":0"), -EINVAL);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "cable:" A ":2"), -EINVAL);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "cable:" A), -EINVAL);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "cable:" B ":1"), -ENODEV);
	ck_assert_int_eq(mtty_line_parse(ports, a[0], "cable:" A ":1"), 0);
	ck_assert_str_eq(shown(a[0]), "cable:" A ":1\n");
	ck_assert_str_eq(shown(a[1]), "cable:" A ":0\n");
	/* The end that loses its cable is a loopback. */
	ck_assert_int_eq(mtty_line_parse(ports, b[0], "cable:" A ":1"), 0);
	ck_assert_str_eq(shown(a[0]), "loopback\n");
	ck_assert_str_eq(shown(a[1]), "cable:" B ":0\n");
	mtty_ports_release(ports, A);
	ck_assert_str_eq(shown(b[0]), "loopback\n");
}
END_TEST

START_TEST(recovery)
{
	plug(a[0]);
	plug(b[0]);
	wr(a[0], UART_SCR, 0x11);
	wr(a[1], UART_SCR, 0x22);
	wr(b[0], UART_SCR, 0x33);
	ports->in_hand = 1u << a[0];
	ports->port[a[1]].uart.tx.head = 200;
	mtty_ports_recover(ports);
	ck_assert_uint_eq(rd(a[0], UART_SCR), 0);
	ck_assert_uint_eq(rd(a[1], UART_SCR), 0);
	ck_assert_uint_eq(rd(b[0], UART_SCR), 0x33);
	ck_assert_uint_eq(ports->in_hand, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ports");
	TCase *tc = tcase_create("ports");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, taking);
	tcase_add_test(tc, loopback_as_the_sample);
	tcase_add_test(tc, loopback_waits);
	tcase_add_test(tc, null_modem);
	tcase_add_test(tc, cable_waits);
	tcase_add_test(tc, unplugged);
	tcase_add_test(tc, death_at_the_other_end);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, options);
	tcase_add_test(tc, recovery);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
