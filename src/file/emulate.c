/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Executes one decoded instruction on the registers of a signal frame and the memory it names.
 *
 * Registers change only when every access has succeeded. Arithmetic runs on the processor itself
 * (alu.S), so that flags are right by construction. A locked instruction is not atomic against
 * other threads' native accesses of the same page; a device sees its read and its write.
 */
#include <string.h>

#include "file/trap_priv.h"

/* CF, PF, AF, ZF, SF, OF */
#define STATUS_FLAGS 0x8d5UL
#define FLAG_CF	     0x001UL
#define FLAG_PF	     0x004UL
#define FLAG_ZF	     0x040UL
#define FLAG_SF	     0x080UL
#define FLAG_OF	     0x800UL

extern const int32_t alu_table[ALU_COUNT][4] __attribute__((visibility("hidden")));

alu_fn alu_function(enum alu_op op, unsigned int log2_width)
{
	int32_t off = alu_table[op][log2_width];

	return off ? (alu_fn)((uintptr_t)alu_table + (uintptr_t)(intptr_t)off) : NULL;
}

static uint64_t width_mask(unsigned int width)
{
	return width >= 8 ? UINT64_MAX : BIT_ULL(width * 8) - 1;
}

static uint64_t get_reg(struct trap *t, const struct insn *insn)
{
	return *trap_reg(t->uc, insn->reg) >> insn->reg_shift & width_mask(insn->reg_width);
}

static void set_reg(struct trap *t, const struct insn *insn, uint64_t value)
{
	uint64_t *reg = trap_reg(t->uc, insn->reg);
	uint64_t mask = width_mask(insn->reg_width) << insn->reg_shift;

	if (insn->reg_width == 4) /* clears the upper half */
		*reg = (uint32_t)value;
	else
		*reg = (*reg & ~mask) | (value << insn->reg_shift & mask);
}

static uint64_t operand(struct trap *t, const struct insn *insn)
{
	return insn->reg == NO_REG ? insn->imm & width_mask(insn->width) : get_reg(t, insn);
}

static uint64_t sign_extend(uint64_t value, unsigned int width)
{
	unsigned int shift = 64 - width * 8;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

static uint64_t byte_swap(uint64_t value, unsigned int width)
{
	return __builtin_bswap64(value) >> (64 - width * 8);
}

static uintptr_t address(struct trap *t, const struct insn *insn)
{
	uint64_t addr = (uint64_t)insn->disp;

	if (insn->base == REG_IP)
		addr += (uint64_t)t->uc->uc_mcontext.gregs[REG_RIP] + insn->length;
	else if (insn->base != NO_REG)
		addr += *trap_reg(t->uc, insn->base);
	if (insn->index != NO_REG)
		addr += *trap_reg(t->uc, insn->index) * insn->scale;
	if (insn->addr32)
		addr = (uint32_t)addr;
	/* Bit strings reach beyond their operand: the register counts bits from there. */
	if (insn->kind == INSN_ALU && insn->op >= ALU_BT && insn->op <= ALU_BTC &&
	    insn->reg != NO_REG) {
		int64_t bit = (int64_t)sign_extend(get_reg(t, insn), insn->reg_width);

		addr += (uint64_t)(bit >> (3 + __builtin_ctz(insn->width))) * insn->width;
	}
	return addr + trap_segment(insn->segment);
}

static enum emulate_result read_value(struct trap *t, uintptr_t addr, unsigned int width,
				      uint64_t *value)
{
	*value = 0;
	return trap_read(t, addr, value, width);
}

static uint64_t get_flags(struct trap *t)
{
	return (uint64_t)t->uc->uc_mcontext.gregs[REG_EFL] & STATUS_FLAGS;
}

static void set_flags(struct trap *t, uint64_t flags)
{
	greg_t *efl = &t->uc->uc_mcontext.gregs[REG_EFL];

	*efl = (greg_t)(((uint64_t)*efl & ~STATUS_FLAGS) | (flags & STATUS_FLAGS));
}

/* Condition codes as in jcc, setcc, cmovcc: the low bit negates. */
static bool condition(uint64_t flags, unsigned int code)
{
	bool less = !(flags & FLAG_SF) != !(flags & FLAG_OF), met;

	switch (code >> 1) {
	case 0:
		met = flags & FLAG_OF;
		break;
	case 1:
		met = flags & FLAG_CF;
		break;
	case 2:
		met = flags & FLAG_ZF;
		break;
	case 3:
		met = flags & (FLAG_CF | FLAG_ZF);
		break;
	case 4:
		met = flags & FLAG_SF;
		break;
	case 5:
		met = flags & FLAG_PF;
		break;
	case 6:
		met = less;
		break;
	default:
		met = less || (flags & FLAG_ZF);
		break;
	}
	return met != (code & 1);
}

static enum emulate_result do_load(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	enum emulate_result ret;
	uint64_t value;

	ret = read_value(t, addr, insn->width, &value);
	if (ret != EMULATE_DONE)
		return ret;
	if (insn->swap)
		value = byte_swap(value, insn->width);
	if (insn->sign_extend)
		value = sign_extend(value, insn->width);
	set_reg(t, insn, value);
	return EMULATE_DONE;
}

static enum emulate_result do_store(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	uint64_t value = operand(t, insn);

	if (insn->swap)
		value = byte_swap(value, insn->width);
	return trap_write(t, addr, &value, insn->width);
}

static enum emulate_result do_alu(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	alu_fn fn = alu_function((enum alu_op)insn->op, (unsigned int)__builtin_ctz(insn->width));
	/* Bit 1 always reads as one; interrupts are on in user mode. */
	uint64_t flags = get_flags(t) | 0x202, mem, result;
	enum emulate_result ret;

	ret = read_value(t, addr, insn->width, &mem);
	if (ret != EMULATE_DONE)
		return ret;
	if (!fn)
		return EMULATE_SEGV;
	if (insn->three)
		result = fn(mem, insn->imm, &flags);
	else if (insn->implicit)
		result = fn(mem, 0, &flags);
	else if (insn->mem_is_target)
		result = fn(mem, operand(t, insn), &flags);
	else
		result = fn(get_reg(t, insn), mem, &flags);

	if (insn->op == ALU_CMP || insn->op == ALU_TEST || insn->op == ALU_BT)
		;
	else if (insn->mem_is_target)
		ret = trap_write(t, addr, &result, insn->width);
	else
		set_reg(t, insn, result);
	if (ret == EMULATE_DONE)
		set_flags(t, flags);
	return ret;
}

static enum emulate_result do_cmov(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	enum emulate_result ret;
	uint64_t value;

	/* The load happens in any case, and a 32-bit target is extended in any case. */
	ret = read_value(t, addr, insn->width, &value);
	if (ret == EMULATE_DONE)
		set_reg(t, insn, condition(get_flags(t), insn->op) ? value : get_reg(t, insn));
	return ret;
}

static enum emulate_result do_setcc(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	uint8_t value = condition(get_flags(t), insn->op);

	return trap_write(t, addr, &value, 1);
}

static enum emulate_result do_exchange(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	uint64_t flags = get_flags(t) | 0x202, mem, new = get_reg(t, insn);
	enum emulate_result ret;

	ret = read_value(t, addr, insn->width, &mem);
	if (ret != EMULATE_DONE)
		return ret;
	if (insn->kind == INSN_XADD)
		new = alu_function(ALU_ADD, (unsigned int)__builtin_ctz(insn->width))(mem, new,
										      &flags);
	ret = trap_write(t, addr, &new, insn->width);
	if (ret != EMULATE_DONE)
		return ret;
	set_reg(t, insn, mem);
	if (insn->kind == INSN_XADD)
		set_flags(t, flags);
	return EMULATE_DONE;
}

static enum emulate_result do_cmpxchg(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	struct insn acc = { .reg = 0, .reg_width = insn->width };
	uint64_t flags = get_flags(t) | 0x202, mem, new = get_reg(t, insn);
	enum emulate_result ret;
	bool equal;

	ret = read_value(t, addr, insn->width, &mem);
	if (ret != EMULATE_DONE)
		return ret;
	alu_function(ALU_CMP, (unsigned int)__builtin_ctz(insn->width))(get_reg(t, &acc), mem,
									&flags);
	equal = flags & FLAG_ZF;
	/* The processor writes back what it read when they differ. */
	ret = trap_write(t, addr, equal ? &new : &mem, insn->width);
	if (ret != EMULATE_DONE)
		return ret;
	if (!equal)
		set_reg(t, &acc, mem);
	set_flags(t, flags);
	return EMULATE_DONE;
}

/* Bytes that the opmask lets through, one bit each. */
static bool byte_mask(struct trap *t, const struct insn *insn, uint64_t *bytes)
{
	uint64_t mask;
	unsigned int i;

	*bytes = width_mask(8) >> (64 - insn->width);
	if (!insn->mask)
		return true;
	if (!xstate_get_mask(t->uc, insn->mask, &mask))
		return false;
	for (i = 0; i < insn->width; i++)
		if (!(mask >> (i / insn->element) & 1))
			*bytes &= ~BIT_ULL(i);
	return true;
}

/* Moves the bytes that are let through, run by run. */
static enum emulate_result move_masked(struct trap *t, uintptr_t addr, uint8_t *buf, uint64_t bytes,
				       bool write)
{
	enum emulate_result ret = EMULATE_DONE;
	unsigned int start, len;
	uint64_t rest;

	while (bytes && ret == EMULATE_DONE) {
		start = (unsigned int)__builtin_ctzll(bytes);
		rest = ~(bytes >> start);
		len = rest ? (unsigned int)__builtin_ctzll(rest) : 64;
		ret = write ? trap_write(t, addr + start, buf + start, len)
			    : trap_read(t, addr + start, buf + start, len);
		bytes &= ~(width_mask(8) >> (64 - len) << start);
	}
	return ret;
}

static enum emulate_result do_vload(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	uint8_t value[64], whole[64];
	enum emulate_result ret;
	uint64_t bytes;
	unsigned int i;
	size_t len;

	if (!byte_mask(t, insn, &bytes) || !xstate_get_vector(t->uc, insn->reg, whole))
		return EMULATE_SEGV;
	ret = move_masked(t, addr, value, bytes, false);
	if (ret != EMULATE_DONE)
		return ret;
	for (i = 0; i < insn->width; i++) {
		if (bytes >> i & 1)
			whole[insn->vector_offset + i] = value[i];
		else if (insn->zeroing)
			whole[insn->vector_offset + i] = 0;
	}
	len = MAX(insn->vector_offset + insn->width, 16);
	if (insn->zero_xmm)
		memset(whole + insn->width, 0, 16U - insn->width);
	return xstate_set_vector(t->uc, insn->reg, whole, len, insn->zero_upper) ? EMULATE_DONE
										 : EMULATE_SEGV;
}

static enum emulate_result do_vstore(struct trap *t, const struct insn *insn, uintptr_t addr)
{
	uint8_t whole[64];
	uint64_t bytes;

	if (!byte_mask(t, insn, &bytes) || !xstate_get_vector(t->uc, insn->reg, whole))
		return EMULATE_SEGV;
	return move_masked(t, addr, whole + insn->vector_offset, bytes, true);
}

enum emulate_result emulate(struct trap *t, const struct insn *insn)
{
	uintptr_t addr;

	if (insn->kind == INSN_MOVS || insn->kind == INSN_STOS || insn->kind == INSN_LODS)
		return emulate_string(t, insn);
	addr = address(t, insn);
	switch ((enum insn_kind)insn->kind) {
	case INSN_LOAD:
		return do_load(t, insn, addr);
	case INSN_STORE:
		return do_store(t, insn, addr);
	case INSN_ALU:
		return do_alu(t, insn, addr);
	case INSN_CMOV:
		return do_cmov(t, insn, addr);
	case INSN_SETCC:
		return do_setcc(t, insn, addr);
	case INSN_XCHG:
	case INSN_XADD:
		return do_exchange(t, insn, addr);
	case INSN_CMPXCHG:
		return do_cmpxchg(t, insn, addr);
	case INSN_VLOAD:
		return do_vload(t, insn, addr);
	case INSN_VSTORE:
		return do_vstore(t, insn, addr);
	case INSN_TOUCH:
		return EMULATE_DONE;
	case INSN_MOVS:
	case INSN_STOS:
	case INSN_LODS:
		break;
	}
	return EMULATE_SEGV;
}
