/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From an instruction's bytes to what emulate.c executes. The decoding itself is Zydis's, which
 * neither allocates nor locks; it is loaded privately when the first device page is mapped, so that
 * no program pays for it that maps none. Everything else is refused: the program then gets its
 * signal, as it would for a page that is really not there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "base/depth.h"
#include "base/log.h"
#include "file/trap_priv.h"

#define ZYDIS_LIBRARY "libZydis.so.4.0"
/* Where Debian has it, out of the sight of musl's loader. It needs memcpy, memset and strlen only,
 * and musl's loader knows its own libc under the name libc.so.6. */
#define ZYDIS_DEBIAN "/usr/lib/x86_64-linux-gnu/" ZYDIS_LIBRARY

typedef ZyanStatus (*decode_fn)(const ZydisDecoder *decoder, const void *buffer, ZyanUSize length,
				ZydisDecodedInstruction *instruction,
				ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT]);
typedef ZyanStatus (*init_fn)(ZydisDecoder *decoder, ZydisMachineMode mode,
			      ZydisStackWidth stack_width);

/* Written once before decode_ready is set. */
static ZydisDecoder decoder;
static decode_fn decode_full;
static atomic_bool decode_ready;

/* A decoded instruction in Zydis's words. */
struct zinsn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	const ZydisDecodedOperand *mem;	  /* the first in memory */
	const ZydisDecodedOperand *other; /* the first visible one that is not */
};

struct name {
	uint16_t mnemonic;
	uint8_t value;
};

static const struct name alu_names[] = {
	{ ZYDIS_MNEMONIC_ADD, ALU_ADD },     { ZYDIS_MNEMONIC_OR, ALU_OR },
	{ ZYDIS_MNEMONIC_ADC, ALU_ADC },     { ZYDIS_MNEMONIC_SBB, ALU_SBB },
	{ ZYDIS_MNEMONIC_AND, ALU_AND },     { ZYDIS_MNEMONIC_SUB, ALU_SUB },
	{ ZYDIS_MNEMONIC_XOR, ALU_XOR },     { ZYDIS_MNEMONIC_CMP, ALU_CMP },
	{ ZYDIS_MNEMONIC_TEST, ALU_TEST },   { ZYDIS_MNEMONIC_INC, ALU_INC },
	{ ZYDIS_MNEMONIC_DEC, ALU_DEC },     { ZYDIS_MNEMONIC_NEG, ALU_NEG },
	{ ZYDIS_MNEMONIC_NOT, ALU_NOT },     { ZYDIS_MNEMONIC_BT, ALU_BT },
	{ ZYDIS_MNEMONIC_BTS, ALU_BTS },     { ZYDIS_MNEMONIC_BTR, ALU_BTR },
	{ ZYDIS_MNEMONIC_BTC, ALU_BTC },     { ZYDIS_MNEMONIC_SHL, ALU_SHL },
	{ ZYDIS_MNEMONIC_SHR, ALU_SHR },     { ZYDIS_MNEMONIC_SAR, ALU_SAR },
	{ ZYDIS_MNEMONIC_ROL, ALU_ROL },     { ZYDIS_MNEMONIC_ROR, ALU_ROR },
	{ ZYDIS_MNEMONIC_RCL, ALU_RCL },     { ZYDIS_MNEMONIC_RCR, ALU_RCR },
	{ ZYDIS_MNEMONIC_IMUL, ALU_IMUL },   { ZYDIS_MNEMONIC_BSF, ALU_BSF },
	{ ZYDIS_MNEMONIC_BSR, ALU_BSR },     { ZYDIS_MNEMONIC_POPCNT, ALU_POPCNT },
	{ ZYDIS_MNEMONIC_TZCNT, ALU_TZCNT }, { ZYDIS_MNEMONIC_LZCNT, ALU_LZCNT },
};

/* Condition codes are the low four bits of the opcode. */
static const struct name cmov_names[] = {
	{ ZYDIS_MNEMONIC_CMOVO, 0 },   { ZYDIS_MNEMONIC_CMOVNO, 1 },
	{ ZYDIS_MNEMONIC_CMOVB, 2 },   { ZYDIS_MNEMONIC_CMOVNB, 3 },
	{ ZYDIS_MNEMONIC_CMOVZ, 4 },   { ZYDIS_MNEMONIC_CMOVNZ, 5 },
	{ ZYDIS_MNEMONIC_CMOVBE, 6 },  { ZYDIS_MNEMONIC_CMOVNBE, 7 },
	{ ZYDIS_MNEMONIC_CMOVS, 8 },   { ZYDIS_MNEMONIC_CMOVNS, 9 },
	{ ZYDIS_MNEMONIC_CMOVP, 10 },  { ZYDIS_MNEMONIC_CMOVNP, 11 },
	{ ZYDIS_MNEMONIC_CMOVL, 12 },  { ZYDIS_MNEMONIC_CMOVNL, 13 },
	{ ZYDIS_MNEMONIC_CMOVLE, 14 }, { ZYDIS_MNEMONIC_CMOVNLE, 15 },
};

static const struct name setcc_names[] = {
	{ ZYDIS_MNEMONIC_SETO, 0 },    { ZYDIS_MNEMONIC_SETNO, 1 },  { ZYDIS_MNEMONIC_SETB, 2 },
	{ ZYDIS_MNEMONIC_SETNB, 3 },   { ZYDIS_MNEMONIC_SETZ, 4 },   { ZYDIS_MNEMONIC_SETNZ, 5 },
	{ ZYDIS_MNEMONIC_SETBE, 6 },   { ZYDIS_MNEMONIC_SETNBE, 7 }, { ZYDIS_MNEMONIC_SETS, 8 },
	{ ZYDIS_MNEMONIC_SETNS, 9 },   { ZYDIS_MNEMONIC_SETP, 10 },  { ZYDIS_MNEMONIC_SETNP, 11 },
	{ ZYDIS_MNEMONIC_SETL, 12 },   { ZYDIS_MNEMONIC_SETNL, 13 }, { ZYDIS_MNEMONIC_SETLE, 14 },
	{ ZYDIS_MNEMONIC_SETNLE, 15 },
};

static const struct name kind_names[] = {
	{ ZYDIS_MNEMONIC_XCHG, INSN_XCHG },	    { ZYDIS_MNEMONIC_XADD, INSN_XADD },
	{ ZYDIS_MNEMONIC_CMPXCHG, INSN_CMPXCHG },   { ZYDIS_MNEMONIC_PREFETCHT0, INSN_TOUCH },
	{ ZYDIS_MNEMONIC_PREFETCHT1, INSN_TOUCH },  { ZYDIS_MNEMONIC_PREFETCHT2, INSN_TOUCH },
	{ ZYDIS_MNEMONIC_PREFETCHNTA, INSN_TOUCH }, { ZYDIS_MNEMONIC_PREFETCHW, INSN_TOUCH },
	{ ZYDIS_MNEMONIC_CLFLUSH, INSN_TOUCH },	    { ZYDIS_MNEMONIC_CLFLUSHOPT, INSN_TOUCH },
	{ ZYDIS_MNEMONIC_CLWB, INSN_TOUCH },
};

static const struct name string_names[] = {
	{ ZYDIS_MNEMONIC_MOVSB, INSN_MOVS }, { ZYDIS_MNEMONIC_MOVSW, INSN_MOVS },
	{ ZYDIS_MNEMONIC_MOVSD, INSN_MOVS }, { ZYDIS_MNEMONIC_MOVSQ, INSN_MOVS },
	{ ZYDIS_MNEMONIC_STOSB, INSN_STOS }, { ZYDIS_MNEMONIC_STOSW, INSN_STOS },
	{ ZYDIS_MNEMONIC_STOSD, INSN_STOS }, { ZYDIS_MNEMONIC_STOSQ, INSN_STOS },
	{ ZYDIS_MNEMONIC_LODSB, INSN_LODS }, { ZYDIS_MNEMONIC_LODSW, INSN_LODS },
	{ ZYDIS_MNEMONIC_LODSD, INSN_LODS }, { ZYDIS_MNEMONIC_LODSQ, INSN_LODS },
};

/* How a vector move treats its register. */
enum vector_form {
	VECTOR_WHOLE,  /* as wide as the register */
	VECTOR_SCALAR, /* the low part; a load clears the rest of the xmm register */
	VECTOR_LOW,    /* the low half of an xmm register; a load keeps the high half */
	VECTOR_HIGH,
};

static const struct name vector_names[] = {
	{ ZYDIS_MNEMONIC_MOVAPS, VECTOR_WHOLE },    { ZYDIS_MNEMONIC_MOVUPS, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_MOVAPD, VECTOR_WHOLE },    { ZYDIS_MNEMONIC_MOVUPD, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_MOVDQA, VECTOR_WHOLE },    { ZYDIS_MNEMONIC_MOVDQU, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_MOVNTPS, VECTOR_WHOLE },   { ZYDIS_MNEMONIC_MOVNTPD, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_MOVNTDQ, VECTOR_WHOLE },   { ZYDIS_MNEMONIC_MOVNTDQA, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_LDDQU, VECTOR_WHOLE },	    { ZYDIS_MNEMONIC_VLDDQU, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVAPS, VECTOR_WHOLE },   { ZYDIS_MNEMONIC_VMOVUPS, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVAPD, VECTOR_WHOLE },   { ZYDIS_MNEMONIC_VMOVUPD, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVDQA, VECTOR_WHOLE },   { ZYDIS_MNEMONIC_VMOVDQU, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVDQA32, VECTOR_WHOLE }, { ZYDIS_MNEMONIC_VMOVDQA64, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVDQU8, VECTOR_WHOLE },  { ZYDIS_MNEMONIC_VMOVDQU16, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVDQU32, VECTOR_WHOLE }, { ZYDIS_MNEMONIC_VMOVDQU64, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVNTPS, VECTOR_WHOLE },  { ZYDIS_MNEMONIC_VMOVNTPD, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_VMOVNTDQ, VECTOR_WHOLE },  { ZYDIS_MNEMONIC_VMOVNTDQA, VECTOR_WHOLE },
	{ ZYDIS_MNEMONIC_MOVD, VECTOR_SCALAR },	    { ZYDIS_MNEMONIC_MOVQ, VECTOR_SCALAR },
	{ ZYDIS_MNEMONIC_MOVSS, VECTOR_SCALAR },    { ZYDIS_MNEMONIC_MOVSD, VECTOR_SCALAR },
	{ ZYDIS_MNEMONIC_VMOVD, VECTOR_SCALAR },    { ZYDIS_MNEMONIC_VMOVQ, VECTOR_SCALAR },
	{ ZYDIS_MNEMONIC_VMOVSS, VECTOR_SCALAR },   { ZYDIS_MNEMONIC_VMOVSD, VECTOR_SCALAR },
	{ ZYDIS_MNEMONIC_MOVLPS, VECTOR_LOW },	    { ZYDIS_MNEMONIC_MOVLPD, VECTOR_LOW },
	{ ZYDIS_MNEMONIC_VMOVLPS, VECTOR_LOW },	    { ZYDIS_MNEMONIC_VMOVLPD, VECTOR_LOW },
	{ ZYDIS_MNEMONIC_MOVHPS, VECTOR_HIGH },	    { ZYDIS_MNEMONIC_MOVHPD, VECTOR_HIGH },
	{ ZYDIS_MNEMONIC_VMOVHPS, VECTOR_HIGH },    { ZYDIS_MNEMONIC_VMOVHPD, VECTOR_HIGH },
};

static bool lookup(const struct name *names, size_t count, unsigned int mnemonic, uint8_t *value)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (names[i].mnemonic == mnemonic) {
			*value = names[i].value;
			return true;
		}
	}
	return false;
}

#define LOOKUP(names, mnemonic, value) lookup(names, ARRAY_SIZE(names), mnemonic, value)

/* The general register @reg as number, width and shift; false when it is none. */
static bool set_gpr(struct insn *insn, ZydisRegister reg)
{
	unsigned int n = (unsigned int)reg;

	insn->reg_shift = 0;
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_RAX);
		insn->reg_width = 8;
	} else if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_EAX);
		insn->reg_width = 4;
	} else if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_AX);
		insn->reg_width = 2;
	} else if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_AH);
		insn->reg_width = 1;
		insn->reg_shift = 8;
	} else if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_AL);
		insn->reg_width = 1;
	} else if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_SPL + 4);
		insn->reg_width = 1;
	} else {
		return false;
	}
	return true;
}

static bool set_vector(struct insn *insn, ZydisRegister reg)
{
	unsigned int n = (unsigned int)reg;

	if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM31) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_XMM0);
		insn->reg_width = 16;
	} else if (reg >= ZYDIS_REGISTER_YMM0 && reg <= ZYDIS_REGISTER_YMM31) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_YMM0);
		insn->reg_width = 32;
	} else if (reg >= ZYDIS_REGISTER_ZMM0 && reg <= ZYDIS_REGISTER_ZMM31) {
		insn->reg = (uint8_t)(n - ZYDIS_REGISTER_ZMM0);
		insn->reg_width = 64;
	} else {
		return false;
	}
	return true;
}

static bool set_address_reg(ZydisRegister reg, uint8_t *out)
{
	struct insn tmp;

	if (reg == ZYDIS_REGISTER_NONE)
		*out = NO_REG;
	else if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		*out = REG_IP;
	else if (set_gpr(&tmp, reg) && tmp.reg_width >= 4)
		*out = tmp.reg;
	else
		return false;
	return true;
}

static bool set_address(struct insn *insn, const struct zinsn *z)
{
	const ZydisDecodedOperandMem *mem = &z->mem->mem;

	if (mem->type != ZYDIS_MEMOP_TYPE_MEM || !set_address_reg(mem->base, &insn->base) ||
	    !set_address_reg(mem->index, &insn->index))
		return false;
	insn->scale = mem->scale;
	insn->disp = mem->disp.has_displacement ? mem->disp.value : 0;
	insn->addr32 = z->i.address_width == 32;
	if (mem->segment == ZYDIS_REGISTER_FS)
		insn->segment = 4;
	else if (mem->segment == ZYDIS_REGISTER_GS)
		insn->segment = 5;
	insn->width = (uint8_t)(z->mem->size / 8);
	return true;
}

/* The other operand: a register or an immediate. */
static bool set_other(struct insn *insn, const struct zinsn *z)
{
	if (!z->other)
		return false;
	if (z->other->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return set_gpr(insn, z->other->reg.value);
	if (z->other->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	insn->reg = NO_REG;
	insn->imm = z->other->imm.value.u;
	return true;
}

static bool decode_move(struct insn *insn, const struct zinsn *z)
{
	switch (z->i.mnemonic) {
	case ZYDIS_MNEMONIC_MOVBE:
		insn->swap = true;
		break;
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		insn->sign_extend = true;
		break;
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVNTI:
		break;
	default:
		return false;
	}
	insn->kind = insn->mem_is_target ? INSN_STORE : INSN_LOAD;
	return set_other(insn, z);
}

static bool decode_alu(struct insn *insn, const struct zinsn *z)
{
	if (!LOOKUP(alu_names, z->i.mnemonic, &insn->op))
		return false;
	insn->kind = INSN_ALU;
	switch (insn->op) {
	case ALU_INC:
	case ALU_DEC:
	case ALU_NEG:
	case ALU_NOT:
		insn->implicit = true;
		return true;
	case ALU_IMUL:
		/* imul mem, with rdx:rax as target, has one visible operand. */
		if (z->i.operand_count_visible < 2)
			return false;
		insn->three = z->i.operand_count_visible == 3;
		if (insn->three)
			insn->imm = z->ops[2].imm.value.u;
		break;
	default:
		break;
	}
	return set_other(insn, z);
}

static bool is_masked(const struct zinsn *z)
{
	return z->i.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	       z->i.avx.mask.reg > ZYDIS_REGISTER_K0 && z->i.avx.mask.reg <= ZYDIS_REGISTER_K7;
}

static bool decode_vector(struct insn *insn, const struct zinsn *z)
{
	bool vex = z->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY;
	uint8_t form;

	if (!LOOKUP(vector_names, z->i.mnemonic, &form) || z->i.operand_count_visible > 3 ||
	    !z->other || z->other->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    !set_vector(insn, z->other->reg.value))
		return false;
	insn->kind = insn->mem_is_target ? INSN_VSTORE : INSN_VLOAD;
	insn->zero_upper = vex;
	insn->zero_xmm = form == VECTOR_SCALAR;
	insn->vector_offset = form == VECTOR_HIGH ? 8 : 0;
	/* Loads of half a register into a third one (vmovhps x, y, m) are not made by compilers
	 * for device memory. */
	if (vex && !insn->mem_is_target && (form == VECTOR_LOW || form == VECTOR_HIGH))
		return false;
	if (is_masked(z)) {
		if (form != VECTOR_WHOLE)
			return false;
		insn->mask = (uint8_t)(z->i.avx.mask.reg - ZYDIS_REGISTER_K0);
		insn->zeroing = z->i.avx.mask.mode == ZYDIS_MASK_MODE_ZEROING;
		insn->element = (uint8_t)(z->mem->element_size / 8);
	}
	return true;
}

/* vextracti128 and its kin: 16 or 32 bytes out of a wider register. */
static bool decode_extract(struct insn *insn, const struct zinsn *z)
{
	switch (z->i.mnemonic) {
	case ZYDIS_MNEMONIC_VEXTRACTF128:
	case ZYDIS_MNEMONIC_VEXTRACTI128:
	case ZYDIS_MNEMONIC_VEXTRACTI32X4:
	case ZYDIS_MNEMONIC_VEXTRACTF32X4:
	case ZYDIS_MNEMONIC_VEXTRACTI64X4:
	case ZYDIS_MNEMONIC_VEXTRACTF64X4:
		break;
	default:
		return false;
	}
	if (!insn->mem_is_target || !z->other || !set_vector(insn, z->other->reg.value) ||
	    is_masked(z))
		return false;
	insn->kind = INSN_VSTORE;
	insn->vector_offset =
		(uint8_t)(z->ops[z->i.operand_count_visible - 1].imm.value.u * insn->width &
			  (insn->reg_width - 1U));
	return true;
}

static bool decode_string(struct insn *insn, const struct zinsn *z)
{
	size_t i;

	if (!LOOKUP(string_names, z->i.mnemonic, &insn->kind) ||
	    (z->i.attributes & (ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)))
		return false;
	/* A vector move shares a name with one of them: string instructions show no registers. */
	for (i = 0; i < z->i.operand_count_visible; i++)
		if (z->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER && insn->kind == INSN_MOVS)
			return false;
	insn->repeated = z->i.attributes & ZYDIS_ATTRIB_HAS_REP;
	insn->segment = 0;
	for (i = 0; i < z->i.operand_count; i++) {
		if (z->ops[i].type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (z->ops[i].mem.segment == ZYDIS_REGISTER_FS)
			insn->segment = 4;
		else if (z->ops[i].mem.segment == ZYDIS_REGISTER_GS)
			insn->segment = 5;
	}
	return true;
}

static void find_operands(struct zinsn *z)
{
	size_t i;

	z->mem = z->other = NULL;
	for (i = 0; i < z->i.operand_count; i++) {
		const ZydisDecodedOperand *op = &z->ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && !z->mem)
			z->mem = op;
		/* EVEX shows the opmask as an operand; it is in i.avx.mask as well. */
		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY && !z->other &&
		    op->visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
		    op->encoding != ZYDIS_OPERAND_ENCODING_MASK)
			z->other = op;
	}
}

bool decode_insn(const uint8_t *bytes, size_t len, struct insn *insn)
{
	struct zinsn z;

	memset(&z, 0, sizeof(z));
	memset(insn, 0, sizeof(*insn));
	insn->reg = NO_REG;
	if (!atomic_load_explicit(&decode_ready, memory_order_acquire) ||
	    !ZYAN_SUCCESS(decode_full(&decoder, bytes, len, &z.i, z.ops)))
		return false;
	find_operands(&z);
	if (!z.mem || !set_address(insn, &z))
		return false;
	insn->length = z.i.length;
	insn->mem_is_target = z.mem == &z.ops[0];
	if (decode_string(insn, &z) || decode_move(insn, &z) || decode_alu(insn, &z) ||
	    decode_vector(insn, &z) || decode_extract(insn, &z))
		return true;
	if (LOOKUP(cmov_names, z.i.mnemonic, &insn->op)) {
		insn->kind = INSN_CMOV;
		return set_other(insn, &z);
	}
	if (LOOKUP(setcc_names, z.i.mnemonic, &insn->op)) {
		insn->kind = INSN_SETCC;
		return true;
	}
	if (!LOOKUP(kind_names, z.i.mnemonic, &insn->kind))
		return false;
	return insn->kind == INSN_TOUCH || set_other(insn, &z);
}

int decode_init(void)
{
	const char *why;
	init_fn init;
	void *lib;

	if (atomic_load_explicit(&decode_ready, memory_order_acquire))
		return 0;
	/* RTLD_NOW: nothing is resolved later in signal context. */
	depth_enter();
	lib = dlopen(ZYDIS_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		lib = dlopen(ZYDIS_DEBIAN, RTLD_NOW | RTLD_LOCAL);
	depth_leave();
	if (!lib) {
		/* The loader keeps no errno, only words. */
		why = dlerror();
		if (why && strstr(why, strerror(EMFILE)))
			return -EMFILE;
		if (why && !strstr(why, strerror(ENOENT)))
			return -ENOMEM;
		pr_err("cannot load " ZYDIS_LIBRARY ", which device mappings need");
		return -ENODEV;
	}
	*(void **)&init = dlsym(lib, "ZydisDecoderInit");
	*(void **)&decode_full = dlsym(lib, "ZydisDecoderDecodeFull");
	if (!init || !decode_full ||
	    !ZYAN_SUCCESS(init(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64))) {
		pr_err(ZYDIS_LIBRARY " does not have what device mappings need");
		return -ENODEV;
	}
	atomic_store_explicit(&decode_ready, true, memory_order_release);
	return 0;
}
