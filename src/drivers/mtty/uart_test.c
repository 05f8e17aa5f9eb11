/* SPDX-License-Identifier: BSD-3-Clause */
/* The chip: what a driver does to it and what the data sheet says must come of it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/mtty/uart.h"

static struct uart u;

static void setup(void)
{
	memset(&u, 0xff, sizeof(u));
	u.lines = 0;
	uart_reset(&u);
}

static uint8_t rd(unsigned int reg)
{
	return uart_read(&u, reg);
}

static void wr(unsigned int reg, unsigned int val)
{
	uart_write(&u, reg, (uint8_t)val);
}

START_TEST(reset_values)
{
	ck_assert_uint_eq(rd(UART_IER), 0);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_NO_INT);
	ck_assert_uint_eq(rd(UART_LCR), 0);
	ck_assert_uint_eq(rd(UART_MCR), 0);
	ck_assert_uint_eq(rd(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(rd(UART_MSR), 0);
	ck_assert_uint_eq(rd(UART_SCR), 0);
	ck_assert(uart_valid(&u));
}
END_TEST

START_TEST(plain_registers)
{
	wr(UART_SCR, 0xa5);
	ck_assert_uint_eq(rd(UART_SCR), 0xa5);
	wr(UART_LCR, UART_LCR_DLAB | 3);
	wr(UART_RBR, 0x34);
	wr(UART_IER, 0x12);
	ck_assert_uint_eq(rd(UART_RBR), 0x34);
	ck_assert_uint_eq(rd(UART_IER), 0x12);
	ck_assert_uint_eq(u.tx.count, 0);
	wr(UART_LCR, 3);
	ck_assert_uint_eq(rd(UART_IER), 0);
	wr(UART_IER, 0xff);
	ck_assert_uint_eq(rd(UART_IER), 0x0f);
	wr(UART_MCR, 0xe3);
	ck_assert_uint_eq(rd(UART_MCR), 0x03);
	wr(UART_LSR, 0);
	wr(UART_MSR, 0xff);
	ck_assert_uint_eq(rd(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(rd(UART_MSR), 0);
}
END_TEST

/* What Linux's 8250 driver looks for, in its order: a scratch register, loopback of the modem
 * signals, FIFOs that are 16 deep, and no feature of a later chip. */
START_TEST(probed)
{
	unsigned int n = 0;

	wr(UART_IER, 0);
	ck_assert_uint_eq(rd(UART_IER) & 0x0f, 0);
	wr(UART_IER, 0x0f);
	ck_assert_uint_eq(rd(UART_IER) & 0x0f, 0x0f);
	wr(UART_IER, 0);
	wr(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	ck_assert_uint_eq(rd(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	wr(UART_MCR, 0);
	wr(UART_FCR, UART_FCR_ENABLE);
	ck_assert_uint_eq(rd(UART_IIR) & 0xc0, 0xc0);
	wr(UART_LCR, 0xbf);
	ck_assert_uint_ne(rd(UART_IIR), 0); /* an EFR would read as 0 */
	wr(UART_LCR, 0);
	wr(UART_FCR, UART_FCR_ENABLE | 0x20);
	ck_assert_uint_eq(rd(UART_IIR) & 0x20, 0);
	wr(UART_IER, 0x40);
	ck_assert_uint_eq(rd(UART_IER) & 0x40, 0);
	wr(UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	wr(UART_MCR, UART_MCR_LOOP);
	for (unsigned int i = 0; i < 256; i++)
		wr(UART_THR, i);
	while (rd(UART_LSR) & UART_LSR_DR)
		ck_assert_uint_eq(rd(UART_RBR), n++);
	ck_assert_uint_eq(n, UART_FIFO_SIZE);
}
END_TEST

START_TEST(trigger_levels)
{
	static const unsigned int level[] = { 1, 4, 8, 14 };

	for (unsigned int i = 0; i < ARRAY_SIZE(level); i++) {
		wr(UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RCVR | i << 6);
		wr(UART_IER, UART_IER_RDI);
		ck_assert_uint_eq(rd(UART_IIR), UART_IIR_FIFO | UART_IIR_NO_INT);
		for (unsigned int n = 1; n <= UART_FIFO_SIZE; n++) {
			uart_rx(&u, (uint8_t)n, 0);
			ck_assert_uint_eq(
				rd(UART_IIR),
				UART_IIR_FIFO | (n >= level[i] ? UART_IIR_RDI : UART_IIR_TIMEOUT));
		}
	}
	wr(UART_FCR, 0);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_NO_INT);
	uart_rx(&u, 'x', 0);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_RDI);
	ck_assert_uint_eq(rd(UART_RBR), 'x');
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_NO_INT);
}
END_TEST

START_TEST(transmitter)
{
	uint8_t buf[32];

	wr(UART_FCR, UART_FCR_ENABLE);
	wr(UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(uart_pending(&u), UART_INT_TX);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_FIFO | UART_IIR_THRI);
	/* Told once; enabling it again tells again. */
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_FIFO | UART_IIR_NO_INT);
	wr(UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(uart_pending(&u), 0);
	wr(UART_IER, 0);
	wr(UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(uart_pending(&u), UART_INT_TX);
	/* Writing takes it back; the 17th is lost. */
	for (unsigned int i = 0; i < 17; i++)
		wr(UART_THR, 'a' + i);
	ck_assert_uint_eq(uart_pending(&u), 0);
	ck_assert_uint_eq(rd(UART_LSR), 0);
	ck_assert_uint_eq(uart_tx_peek(&u, buf, sizeof(buf)), 16);
	ck_assert_mem_eq(buf, "abcdefghijklmnop", 16);
	uart_tx_done(&u, 15);
	ck_assert_uint_eq(rd(UART_LSR), 0);
	ck_assert_uint_eq(uart_pending(&u), 0);
	uart_tx_done(&u, 1);
	ck_assert_uint_eq(rd(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(uart_pending(&u), UART_INT_TX);
	/* Without FIFO the holding register is overwritten. */
	wr(UART_FCR, 0);
	wr(UART_THR, 'x');
	wr(UART_THR, 'y');
	ck_assert_uint_eq(uart_tx_peek(&u, buf, sizeof(buf)), 1);
	ck_assert_uint_eq(buf[0], 'y');
}
END_TEST

START_TEST(clearing_fifos)
{
	wr(UART_FCR, UART_FCR_ENABLE);
	wr(UART_IER, UART_IER_THRI);
	rd(UART_IIR);
	wr(UART_THR, 'a');
	uart_rx(&u, 'b', 0);
	wr(UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RCVR);
	ck_assert_uint_eq(rd(UART_LSR), 0);
	wr(UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_XMIT);
	ck_assert_uint_eq(rd(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(uart_pending(&u), UART_INT_TX);
	wr(UART_THR, 'a');
	uart_rx(&u, 'b', 0);
	wr(UART_FCR, 0);
	ck_assert_uint_eq(rd(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(overrun)
{
	wr(UART_FCR, UART_FCR_ENABLE);
	wr(UART_IER, UART_IER_RLSI);
	for (unsigned int i = 0; i < 16; i++)
		uart_rx(&u, (uint8_t)i, 0);
	ck_assert_uint_eq(uart_pending(&u), 0);
	uart_rx(&u, 99, 0);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_FIFO | UART_IIR_RLSI);
	ck_assert_uint_eq(rd(UART_LSR) & (UART_LSR_OE | UART_LSR_DR), UART_LSR_OE | UART_LSR_DR);
	ck_assert_uint_eq(rd(UART_LSR) & UART_LSR_OE, 0);
	ck_assert_uint_eq(uart_pending(&u), 0);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_uint_eq(rd(UART_RBR), i);
	ck_assert_uint_eq(rd(UART_LSR) & UART_LSR_DR, 0);
	/* Without FIFO the newer one stays. */
	wr(UART_FCR, 0);
	uart_rx(&u, 1, 0);
	uart_rx(&u, 2, 0);
	ck_assert(rd(UART_LSR) & UART_LSR_OE);
	ck_assert_uint_eq(rd(UART_RBR), 2);
}
END_TEST

/* Errors belong to a character and show when it is on top. */
START_TEST(line_errors)
{
	wr(UART_FCR, UART_FCR_ENABLE);
	wr(UART_IER, UART_IER_RLSI | UART_IER_RDI);
	uart_rx(&u, 'a', 0);
	uart_rx(&u, 'b', UART_LSR_PE);
	uart_rx(&u, 0, UART_LSR_BI);
	ck_assert_uint_eq(rd(UART_LSR) & (UART_LSR_ERRS | UART_LSR_FIFO), UART_LSR_FIFO);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_FIFO | UART_IIR_RDI);
	ck_assert_uint_eq(rd(UART_RBR), 'a');
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_FIFO | UART_IIR_RLSI);
	ck_assert_uint_eq(rd(UART_LSR) & (UART_LSR_ERRS | UART_LSR_FIFO),
			  UART_LSR_PE | UART_LSR_FIFO);
	ck_assert_uint_eq(rd(UART_LSR) & (UART_LSR_ERRS | UART_LSR_FIFO), UART_LSR_FIFO);
	ck_assert_uint_eq(rd(UART_RBR), 'b');
	ck_assert_uint_eq(rd(UART_LSR) & (UART_LSR_ERRS | UART_LSR_FIFO),
			  UART_LSR_BI | UART_LSR_FIFO);
	ck_assert_uint_eq(rd(UART_RBR), 0);
	ck_assert_uint_eq(rd(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(modem_status)
{
	wr(UART_IER, UART_IER_MSI);
	uart_set_lines(&u, UART_MSR_CTS | UART_MSR_RI);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_MSI);
	/* RI counts when it ends. */
	ck_assert_uint_eq(rd(UART_MSR), UART_MSR_CTS | UART_MSR_RI | UART_MSR_DCTS);
	ck_assert_uint_eq(rd(UART_MSR), UART_MSR_CTS | UART_MSR_RI);
	ck_assert_uint_eq(rd(UART_IIR), UART_IIR_NO_INT);
	uart_set_lines(&u, UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	ck_assert_uint_eq(rd(UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD | UART_MSR_TERI |
						UART_MSR_DDSR | UART_MSR_DDCD);
	/* Deltas stay until they are read. */
	uart_set_lines(&u, 0);
	uart_set_lines(&u, UART_MSR_CTS);
	ck_assert_uint_eq(rd(UART_MSR),
			  UART_MSR_CTS | UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
}
END_TEST

START_TEST(priorities)
{
	wr(UART_FCR, UART_FCR_ENABLE);
	wr(UART_IER, 0x0f);
	uart_set_lines(&u, UART_MSR_CTS);
	uart_rx(&u, 'a', UART_LSR_FE);
	ck_assert_uint_eq(uart_pending(&u), UART_INT_RLS | UART_INT_RX | UART_INT_TX | UART_INT_MS);
	ck_assert_uint_eq(rd(UART_IIR) & 0x0f, UART_IIR_RLSI);
	rd(UART_LSR);
	ck_assert_uint_eq(rd(UART_IIR) & 0x0f, UART_IIR_RDI);
	rd(UART_RBR);
	ck_assert_uint_eq(rd(UART_IIR) & 0x0f, UART_IIR_THRI);
	ck_assert_uint_eq(rd(UART_IIR) & 0x0f, UART_IIR_MSI);
	rd(UART_MSR);
	ck_assert_uint_eq(rd(UART_IIR) & 0x0f, UART_IIR_NO_INT);
}
END_TEST

START_TEST(loopback)
{
	uart_set_lines(&u, UART_MSR_CTS | UART_MSR_DSR);
	rd(UART_MSR);
	wr(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1);
	ck_assert_uint_eq(uart_outputs(&u), 0);
	ck_assert_uint_eq(rd(UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_RI);
	wr(UART_THR, 'q');
	ck_assert_uint_eq(uart_tx_waiting(&u), 0);
	/* The pin hears nothing. */
	uart_rx(&u, 'z', 0);
	ck_assert_uint_eq(rd(UART_LSR), UART_LSR_DR | UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(rd(UART_RBR), 'q');
	wr(UART_LCR, UART_LCR_BREAK);
	ck_assert_uint_eq(rd(UART_LSR) & (UART_LSR_DR | UART_LSR_BI), UART_LSR_DR | UART_LSR_BI);
	ck_assert_uint_eq(rd(UART_RBR), 0);
	wr(UART_MCR, UART_MCR_DTR);
	ck_assert_uint_eq(uart_outputs(&u), UART_MCR_DTR);
	ck_assert_uint_eq(rd(UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_TERI);
}
END_TEST

START_TEST(sends_break)
{
	wr(UART_THR, 'a');
	wr(UART_LCR, UART_LCR_BREAK);
	ck_assert(!uart_tx_break(&u));
	uart_tx_done(&u, 1);
	ck_assert(uart_tx_break(&u));
	ck_assert(!uart_tx_break(&u));
	wr(UART_LCR, UART_LCR_BREAK);
	ck_assert(!uart_tx_break(&u));
}
END_TEST

/* Any sequence of accesses leaves a state that can be one. */
START_TEST(random_accesses)
{
	unsigned int seed = 12345;

	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int r = (unsigned int)rand_r(&seed);

		switch (r % 5) {
		case 0:
			rd(r >> 4 & 7);
			break;
		case 1:
			wr(r >> 4 & 7, r >> 8);
			break;
		case 2:
			uart_rx(&u, (uint8_t)(r >> 8), r >> 4 & UART_LSR_ERRS);
			break;
		case 3:
			uart_tx_done(&u, r >> 8 & 31);
			break;
		default:
			uart_set_lines(&u, (uint8_t)(r >> 8));
			break;
		}
		ck_assert(uart_valid(&u));
	}
}
END_TEST

START_TEST(invalid_states)
{
	struct uart good = u;

	u.rx.head = UART_FIFO_SIZE;
	ck_assert(!uart_valid(&u));
	u = good;
	u.rx.count = 2; /* without FIFO */
	ck_assert(!uart_valid(&u));
	u = good;
	u.tx.errors[3] = UART_LSR_PE;
	ck_assert(!uart_valid(&u));
	u = good;
	u.ier = 0x10;
	ck_assert(!uart_valid(&u));
	u = good;
	u.errors = UART_LSR_DR;
	ck_assert(!uart_valid(&u));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uart");
	TCase *tc = tcase_create("uart");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, reset_values);
	tcase_add_test(tc, plain_registers);
	tcase_add_test(tc, probed);
	tcase_add_test(tc, trigger_levels);
	tcase_add_test(tc, transmitter);
	tcase_add_test(tc, clearing_fifos);
	tcase_add_test(tc, overrun);
	tcase_add_test(tc, line_errors);
	tcase_add_test(tc, modem_status);
	tcase_add_test(tc, priorities);
	tcase_add_test(tc, loopback);
	tcase_add_test(tc, sends_break);
	tcase_add_test(tc, random_accesses);
	tcase_add_test(tc, invalid_states);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
