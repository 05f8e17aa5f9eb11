/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * movs, stos and lods, single or repeated, in both directions. Registers advance after each
 * element, as the processor's do, so that any element may fault and the instruction can go on
 * later. As soon as neither side would trap, the processor takes over again.
 */
#include <string.h>

#include "file/trap_priv.h"

#define FLAG_DF 0x400UL
#define RAX	0
#define RCX	1
#define RSI	6
#define RDI	7

static uint64_t truncate(const struct insn *insn, uint64_t value)
{
	return insn->addr32 ? (uint32_t)value : value;
}

static void advance(struct trap *t, const struct insn *insn, unsigned int reg)
{
	uint64_t *r = trap_reg(t->uc, reg), step = insn->width;

	if ((uint64_t)t->uc->uc_mcontext.gregs[REG_EFL] & FLAG_DF)
		step = -step;
	*r = truncate(insn, *r + step);
}

static enum emulate_result one_element(struct trap *t, const struct insn *insn)
{
	uintptr_t to = truncate(insn, *trap_reg(t->uc, RDI));
	uintptr_t from = truncate(insn, *trap_reg(t->uc, RSI)) + trap_segment(insn->segment);
	uint64_t *rax = trap_reg(t->uc, RAX), value = *rax;
	enum emulate_result ret = EMULATE_DONE;

	if (insn->kind != INSN_STOS) {
		value = 0;
		ret = trap_read(t, from, &value, insn->width);
	}
	if (ret == EMULATE_DONE && insn->kind != INSN_LODS)
		ret = trap_write(t, to, &value, insn->width);
	if (ret != EMULATE_DONE)
		return ret;
	if (insn->kind != INSN_STOS)
		advance(t, insn, RSI);
	if (insn->kind != INSN_LODS)
		advance(t, insn, RDI);
	else if (insn->width == 4)
		*rax = value;
	else
		memcpy(rax, &value, insn->width);
	return EMULATE_DONE;
}

static bool next_traps(struct trap *t, const struct insn *insn)
{
	return (insn->kind != INSN_LODS && trap_at(t, truncate(insn, *trap_reg(t->uc, RDI)))) ||
	       (insn->kind != INSN_STOS &&
		trap_at(t, truncate(insn, *trap_reg(t->uc, RSI)) + trap_segment(insn->segment)));
}

enum emulate_result emulate_string(struct trap *t, const struct insn *insn)
{
	uint64_t *rcx = trap_reg(t->uc, RCX);
	enum emulate_result ret;

	if (!insn->repeated)
		return one_element(t, insn);
	while (truncate(insn, *rcx)) {
		ret = one_element(t, insn);
		if (ret != EMULATE_DONE)
			return ret;
		*rcx = truncate(insn, *rcx - 1);
		if (truncate(insn, *rcx) && !next_traps(t, insn))
			return EMULATE_AGAIN;
	}
	return EMULATE_DONE;
}
