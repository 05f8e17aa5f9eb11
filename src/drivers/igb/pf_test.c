/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's igb driver against a register file that is plain memory but for the mailbox' buffer
 * lock and the registers that are cleared by writing ones.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/igb/pf.h"
#include "models/igb/regs.h"

#define ACK  BIT(31)
#define NACK BIT(30)
#define CTS  BIT(29)

struct card {
	uint32_t reg[0x10000 / 4];
	bool vfu[8], pfu[8];
	unsigned int posted[8], acked[8];
	uint32_t die_at; /* the process ends when this register is written */
	struct igb_pf_state state;
};

static struct card *card;
static struct igb_pf pf;

static uint32_t card_read(void *priv, uint32_t reg)
{
	if (reg >= IGB_P2VMAILBOX && reg < IGB_P2VMAILBOX + 32)
		return card->pfu[(reg - IGB_P2VMAILBOX) / 4] ? IGB_P2V_PFU : 0;
	return card->reg[reg / 4];
}

static void card_write(void *priv, uint32_t reg, uint32_t value)
{
	if (reg == card->die_at)
		raise(SIGKILL);
	if (reg >= IGB_P2VMAILBOX && reg < IGB_P2VMAILBOX + 32) {
		unsigned int vf = (reg - IGB_P2VMAILBOX) / 4;

		card->pfu[vf] = (value & IGB_P2V_PFU) && !card->vfu[vf];
		card->posted[vf] += (value & IGB_P2V_STS) != 0;
		card->acked[vf] += (value & IGB_P2V_ACK) != 0;
	} else if (reg == IGB_MBVFICR || reg == IGB_VFLRE) {
		card->reg[reg / 4] &= ~value;
	} else if (reg == IGB_CTRL && (value & IGB_CTRL_RST)) {
		memset(card->reg, 0, sizeof(card->reg));
		card->reg[IGB_RA / 4] = 0x00005452;
		card->reg[IGB_RA / 4 + 1] = 0x0001 | IGB_RAH_AV;
	} else {
		card->reg[reg / 4] = value;
	}
}

static uint32_t *mailbox(unsigned int vf)
{
	return &card->reg[(IGB_VMBMEM + 64 * vf) / 4];
}

/* What a VF's driver does: writes, rings, waits for acknowledgement and answer. The answer's first
 * word. */
static uint32_t ask(unsigned int vf, uint32_t word, const void *data, size_t len)
{
	unsigned int posted = card->posted[vf], acked = card->acked[vf];

	mailbox(vf)[0] = word;
	if (len)
		memcpy(&mailbox(vf)[1], data, len);
	card->reg[IGB_MBVFICR / 4] |= BIT(vf);
	igb_pf_events(&pf);
	ck_assert_uint_eq(card->posted[vf], posted + 1);
	ck_assert_uint_eq(card->acked[vf], acked + 1);
	ck_assert(!card->pfu[vf]);
	ck_assert_uint_eq(card->reg[IGB_MBVFICR / 4], 0);
	return mailbox(vf)[0];
}

static uint32_t vmolr(unsigned int vf)
{
	return card->reg[IGB_VMOLR / 4 + vf];
}

static uint32_t rah(unsigned int index)
{
	return index < 16 ? card->reg[(IGB_RA + 8 * index + 4) / 4]
			  : card->reg[(IGB_RA2 + 8 * (index - 16) + 4) / 4];
}

static void setup(void)
{
	void *mem = mmap(NULL, sizeof(*card), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);

	ck_assert(mem != MAP_FAILED);
	card = mem;
	pf = (struct igb_pf){ .read = card_read, .write = card_write, .state = &card->state };
	ck_assert_int_eq(igb_pf_init(pf.state), 0);
	card->die_at = 1;
	igb_pf_bind(&pf);
	ck_assert_int_eq(igb_pf_set_vfs(&pf, 2), 0);
}

static void teardown(void)
{
	munmap(card, sizeof(*card));
}

START_TEST(numbers)
{
	ck_assert_int_eq(igb_pf_set_vfs(&pf, 8), -ERANGE);
	ck_assert_int_eq(igb_pf_set_vfs(&pf, 7), 0);
	ck_assert_uint_eq(IGB_VT_CTL_DEF_POOL(card->reg[IGB_VT_CTL / 4]), 7);
	ck_assert_uint_eq(card->reg[IGB_MRQC / 4], IGB_MRQC_VMDQ);
	ck_assert_uint_eq(card->reg[IGB_DTXSWC / 4], IGB_DTXSWC_LOOPBACK_EN | 0x7f7f);
	/* The PF's address leads to its pool. */
	ck_assert_uint_eq(rah(0), IGB_RAH_AV | BIT(18 + 7) | 0x0001);
	ck_assert_int_eq(igb_pf_set_vfs(&pf, 0), 0);
	ck_assert_uint_eq(card->reg[IGB_DTXSWC / 4], 0);
	ck_assert_uint_eq(card->reg[IGB_VT_CTL / 4], 0);
}
END_TEST

START_TEST(reset_and_mac)
{
	static const uint8_t mac[6] = { 0x02, 1, 2, 3, 4, 5 }, group[6] = { 0x03 };

	/* Nothing goes before a reset; one without an address is refused, as by Linux. */
	ck_assert_uint_eq(ask(1, 2, mac, 6), 2 | NACK);
	ck_assert_uint_eq(ask(1, 1, NULL, 0), 1 | NACK);
	ck_assert_uint_eq(card->reg[IGB_VFTE / 4], BIT(1));
	ck_assert_uint_eq(card->reg[IGB_VFRE / 4], BIT(1));
	ck_assert_uint_eq(ask(1, 2, group, 6), 2 | CTS | NACK);
	ck_assert_uint_eq(ask(1, 2, mac, 6), 2 | CTS | ACK);
	ck_assert_uint_eq(rah(22), IGB_RAH_AV | BIT(18 + 1) | 0x0504);
	/* Reset through the mailbox keeps it, FLR does not. */
	ck_assert_uint_eq(ask(1, 1, NULL, 0), 1 | ACK);
	ck_assert_mem_eq(&mailbox(1)[1], mac, 6);
	card->reg[IGB_VFLRE / 4] = BIT(1);
	igb_pf_events(&pf);
	ck_assert_uint_eq(card->reg[IGB_VFLRE / 4], 0);
	ck_assert_uint_eq(rah(22), 0);
	ck_assert_uint_eq(ask(1, 2, mac, 6), 2 | NACK);
	ck_assert_uint_eq(ask(1, 1, NULL, 0), 1 | NACK);
}
END_TEST

START_TEST(given_mac)
{
	static const uint8_t given[6] = { 0x02, 9, 9, 9, 9, 9 }, own[6] = { 0x02, 1 };

	ck_assert_int_eq(igb_pf_set_vf_mac(&pf, 2, given), -EINVAL);
	ck_assert_int_eq(igb_pf_set_vf_mac(&pf, 0, given), 0);
	ck_assert_uint_eq(ask(0, 1, NULL, 0), 1 | ACK);
	ck_assert_mem_eq(&mailbox(0)[1], given, 6);
	ck_assert_uint_eq(ask(0, 2, own, 6), 2 | CTS | NACK);
	ck_assert_int_eq(igb_pf_set_vf_trust(&pf, 0, true), 0);
	ck_assert_uint_eq(ask(0, 2, own, 6), 2 | CTS | ACK);
}
END_TEST

START_TEST(filters)
{
	uint8_t mac[6] = { 0x02, 7, 0, 0, 0, 0 };

	ask(0, 1, NULL, 0);
	for (unsigned int i = 0; i < IGB_PF_MAC_FILTERS; i++) {
		mac[5] = (uint8_t)i;
		ck_assert_uint_eq(ask(0, 2 | 2 << 16, mac, 6), (2 | 2 << 16 | CTS | ACK));
	}
	ck_assert_uint_eq(ask(0, 2 | 2 << 16, mac, 6), (2 | 2 << 16 | CTS | NACK));
	ck_assert_uint_eq(rah(1), IGB_RAH_AV | BIT(18));
	ck_assert_uint_eq(ask(0, 2 | 1 << 16, mac, 6), (2 | 1 << 16 | CTS | ACK));
	ck_assert_uint_eq(rah(1), 0);
}
END_TEST

START_TEST(vlans)
{
	uint32_t vid = 100;

	ask(0, 1, NULL, 0);
	ask(1, 1, NULL, 0);
	ck_assert_uint_eq(ask(0, 4 | 1 << 16, &vid, 4), (4 | 1 << 16 | CTS | ACK));
	ck_assert_uint_eq(ask(1, 4 | 1 << 16, &vid, 4), (4 | 1 << 16 | CTS | ACK));
	ck_assert_uint_eq(card->reg[IGB_VLVF / 4 + 1], IGB_VLVF_ENABLE | 100 | 3 << 12);
	ck_assert_uint_eq(card->reg[IGB_VFTA / 4 + 3], BIT(4));
	ck_assert(vmolr(0) & IGB_VMOLR_STRVLAN);
	ck_assert_uint_eq(ask(0, 4, &vid, 4), (4 | CTS | ACK));
	ck_assert_uint_eq(card->reg[IGB_VLVF / 4 + 1], IGB_VLVF_ENABLE | 100 | 2 << 12);
	/* The last one's FLR frees the entry. */
	card->reg[IGB_VFLRE / 4] = BIT(1);
	igb_pf_events(&pf);
	ck_assert_uint_eq(card->reg[IGB_VLVF / 4 + 1], 0);
	ck_assert_uint_eq(card->reg[IGB_VFTA / 4 + 3], 0);
	for (vid = 1; vid < 32; vid++)
		ck_assert(ask(0, 4 | 1 << 16, &vid, 4) & ACK);
	ck_assert(ask(0, 4 | 1 << 16, &vid, 4) & NACK);
	/* In a VLAN of the administrator's there is no choice. */
	ck_assert_int_eq(igb_pf_set_vf_vlan(&pf, 0, 4096), -EINVAL);
	ck_assert_int_eq(igb_pf_set_vf_vlan(&pf, 0, 7), 0);
	ck_assert(ask(0, 4 | 1 << 16, &vid, 4) & NACK);
	ck_assert_uint_eq(card->reg[IGB_VMVIR / 4], 7 | BIT(30));
	ck_assert(!(vmolr(0) & IGB_VMOLR_AUPE));
}
END_TEST

START_TEST(multicasts)
{
	uint16_t hash[30];
	uint32_t size = 9018;

	for (uint16_t i = 0; i < 30; i++)
		hash[i] = (uint16_t)(i * 131);
	ask(0, 1, NULL, 0);
	ck_assert_uint_eq(ask(0, 3 | 30 << 16, hash, sizeof(hash)), (3 | 30 << 16 | CTS | ACK));
	ck_assert(vmolr(0) & IGB_VMOLR_ROMPE);
	for (unsigned int i = 0; i < 30; i++)
		ck_assert(card->reg[IGB_MTA / 4 + (hash[i] >> 5)] >> (hash[i] & 31) & 1);
	ask(0, 3 | 31 << 16, hash, sizeof(hash));
	ck_assert((vmolr(0) & (IGB_VMOLR_ROMPE | IGB_VMOLR_MPME)) == IGB_VMOLR_MPME);
	ck_assert_uint_eq(card->reg[IGB_MTA / 4], 0);
	ask(0, 3, hash, 0);
	ck_assert(!(vmolr(0) & (IGB_VMOLR_ROMPE | IGB_VMOLR_MPME)));
	ck_assert(ask(0, 6 | 2 << 16, NULL, 0) & ACK);
	ck_assert(vmolr(0) & IGB_VMOLR_MPME);
	ck_assert(ask(0, 6 | 1 << 16, NULL, 0) & NACK);
	ck_assert(ask(0, 5, &size, 4) & ACK);
	ck_assert_uint_eq(vmolr(0) & IGB_VMOLR_RLPML, 9022);
	ck_assert(ask(0, 0x77, NULL, 0) & NACK);
}
END_TEST

START_TEST(link_changes)
{
	ask(0, 1, NULL, 0);
	card->reg[IGB_STATUS / 4] = IGB_STATUS_LU;
	igb_pf_events(&pf);
	ck_assert_uint_eq(mailbox(0)[0], 0x100 | CTS);
	ck_assert_uint_eq(mailbox(1)[0], 0x100);
	ck_assert_uint_eq(card->posted[1], 1);
	/* Once. */
	igb_pf_events(&pf);
	ck_assert_uint_eq(card->posted[1], 1);
	/* A VF that is writing is not disturbed. */
	card->vfu[1] = true;
	card->reg[IGB_STATUS / 4] = 0;
	igb_pf_events(&pf);
	ck_assert_uint_eq(card->posted[1], 1);
}
END_TEST

/* A process dies at each register that a request writes: the next one finishes the work. */
START_TEST(death)
{
	static const uint32_t deadly[] = { IGB_VLVF + 4, IGB_VFTA + 12, IGB_VMOLR, IGB_VMBMEM,
					   IGB_P2VMAILBOX };
	uint32_t vid = 100;

	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++) {
		pid_t pid;

		ck_assert_int_eq(igb_pf_set_vfs(&pf, 2), 0);
		memset(card->pfu, 0, sizeof(card->pfu));
		ask(0, 1, NULL, 0);
		ask(1, 1, NULL, 0);
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (!pid) {
			mailbox(0)[0] = 4 | 1 << 16;
			mailbox(0)[1] = vid;
			card->reg[IGB_MBVFICR / 4] |= 1;
			card->die_at = deadly[i];
			igb_pf_events(&pf);
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		card->die_at = 1;
		ck_assert(ask(1, 4 | 1 << 16, &vid, 4) & ACK);
		ck_assert(card->reg[IGB_VFTA / 4 + 3] & BIT(4));
		/* The dead one's VF is used anew. */
		card->pfu[0] = false;
		card->reg[IGB_MBVFICR / 4] = 0;
		card->reg[IGB_VFLRE / 4] = BIT(0);
		igb_pf_events(&pf);
		ck_assert_uint_eq(card->reg[IGB_VLVF / 4 + 1], IGB_VLVF_ENABLE | 100 | 2 << 12);
		ask(0, 1, NULL, 0);
	}
}
END_TEST

/* More VFs than there can be, as another process may write: nobody looks behind the last one. */
START_TEST(nonsense)
{
	static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 1 };

	card->state.vfs = 1000000;
	card->state.filter[0].used = 1;
	card->state.filter[0].vf = 0xff;
	card->state.vf[0].num_hashes = 0xff;
	ck_assert_int_eq(igb_pf_set_vf_mac(&pf, IGB_PF_VFS, mac), -EINVAL);
	ck_assert_int_eq(igb_pf_set_vf_mac(&pf, IGB_PF_VFS - 1, mac), 0);
	ck_assert_int_eq(igb_pf_set_vf_vlan(&pf, 0, 0), 0);
	ck_assert_int_eq(igb_pf_set_vf_spoofchk(&pf, 0, true), 0);
	card->reg[IGB_STATUS / 4] ^= IGB_STATUS_LU;
	igb_pf_events(&pf);
	for (unsigned int vf = 0; vf < IGB_PF_VFS; vf++)
		ck_assert_uint_eq(card->posted[vf], 1);
}
END_TEST

START_TEST(unbound)
{
	igb_pf_unbind(&pf);
	ck_assert(!igb_pf_bound(&pf));
	mailbox(0)[0] = 1;
	card->reg[IGB_MBVFICR / 4] = 1;
	igb_pf_events(&pf);
	ck_assert_uint_eq(card->posted[0], 0);
	ck_assert(!(card->reg[IGB_CTRL_EXT / 4] & IGB_CTRL_EXT_PFRSTD));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pf");
	TCase *tc = tcase_create("pf");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, reset_and_mac);
	tcase_add_test(tc, given_mac);
	tcase_add_test(tc, filters);
	tcase_add_test(tc, vlans);
	tcase_add_test(tc, multicasts);
	tcase_add_test(tc, link_changes);
	tcase_add_test(tc, death);
	tcase_add_test(tc, nonsense);
	tcase_add_test(tc, unbound);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
