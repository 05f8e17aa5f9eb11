/* SPDX-License-Identifier: BSD-3-Clause */
/* Trapped accesses: decoding (decode.c), executing (emulate.c, string.c, xstate.c), the trap
 * itself (trap.c). All of it runs in signal context: no malloc, no locks, no libc I/O. */
#ifndef FILE_TRAP_PRIV_H
#define FILE_TRAP_PRIV_H

#include <ucontext.h>
#include "file/mapping_priv.h"

enum insn_kind {
	INSN_LOAD,  /* GPR from memory: mov, movzx, movsx, movbe */
	INSN_STORE, /* memory from GPR or immediate: mov, movnti, movbe */
	INSN_ALU,   /* an operation with memory and GPR or immediate; either may be the target */
	INSN_CMOV,
	INSN_SETCC,
	INSN_XCHG,
	INSN_XADD,
	INSN_CMPXCHG,
	INSN_VLOAD, /* vector register from memory */
	INSN_VSTORE,
	INSN_MOVS,
	INSN_STOS,
	INSN_LODS,
	INSN_TOUCH, /* reads or writes nothing: prefetch, clflush */
};

/* In the order of alu_table in alu.S. */
enum alu_op {
	ALU_ADD,
	ALU_OR,
	ALU_ADC,
	ALU_SBB,
	ALU_AND,
	ALU_SUB,
	ALU_XOR,
	ALU_CMP,
	ALU_TEST,
	ALU_INC,
	ALU_DEC,
	ALU_NEG,
	ALU_NOT,
	ALU_BT,
	ALU_BTS,
	ALU_BTR,
	ALU_BTC,
	ALU_SHL,
	ALU_SHR,
	ALU_SAR,
	ALU_ROL,
	ALU_ROR,
	ALU_RCL,
	ALU_RCR,
	ALU_IMUL,
	ALU_BSF,
	ALU_BSR,
	ALU_POPCNT,
	ALU_TZCNT,
	ALU_LZCNT,
	ALU_COUNT,
};

enum insn_rep { REP_NONE, REP };

/* Registers by their hardware number; NO_REG: none, REG_IP: the instruction pointer. */
#define NO_REG 0xff
#define REG_IP 0x10

struct insn {
	uint8_t length;
	uint8_t kind;  /* enum insn_kind */
	uint8_t op;    /* enum alu_op; condition code for CMOV, SETCC */
	uint8_t width; /* bytes of memory */
	/* the operand that is not memory */
	uint8_t reg;	   /* NO_REG: imm */
	uint8_t reg_width; /* bytes */
	uint8_t reg_shift; /* 8 for AH, CH, DH, BH */
	bool mem_is_target;
	bool sign_extend;
	bool swap;     /* movbe */
	bool three;    /* imul reg, mem, imm */
	bool implicit; /* no second operand: inc, dec, neg, not */
	uint64_t imm;
	/* the address */
	uint8_t base, index, scale, segment; /* segment: 4 FS, 5 GS, else 0 */
	bool addr32;
	int64_t disp;
	/* vectors */
	uint8_t vector_offset; /* where in the register */
	uint8_t element;       /* bytes that one mask bit stands for */
	uint8_t mask;	       /* opmask register; 0: none */
	bool zeroing;
	bool zero_upper; /* the rest of the whole register becomes 0 (VEX, EVEX) */
	bool zero_xmm;	 /* the rest of the xmm register becomes 0 (movd, movq, movss …) */
	bool repeated;	 /* rep */
};

/* Loads the decoder; -ENODEV without it. Not for signal context. */
int decode_init(void);
/* False: not an instruction that can be executed here. */
bool decode_insn(const uint8_t *bytes, size_t len, struct insn *insn);

enum emulate_result {
	EMULATE_DONE,  /* go on behind the instruction */
	EMULATE_AGAIN, /* execute it (again): nothing of it, or whole steps of it are done */
	EMULATE_SEGV,  /* the program's fault at fault_addr */
	EMULATE_BUS,   /* a revoked page at fault_addr */
};

/* One trap. */
struct trap {
	ucontext_t *uc;
	uintptr_t page;		/* the page of @hit */
	struct mapping_hit hit; /* what trapped; its reference is the trap's */
	bool nested;		/* the thread was at library depth above 0 */
	uintptr_t fault_addr;
};

enum emulate_result emulate(struct trap *t, const struct insn *insn);

/* string.c */
enum emulate_result emulate_string(struct trap *t, const struct insn *insn);

/* Memory as the instruction sees it: device pages through their file, all else as it is. Any width
 * and alignment; cut into naturally aligned cycles of at most 8 bytes. */
enum emulate_result trap_read(struct trap *t, uintptr_t addr, void *buf, size_t len);
enum emulate_result trap_write(struct trap *t, uintptr_t addr, const void *buf, size_t len);
/* Whether an access at @addr would trap. */
bool trap_at(struct trap *t, uintptr_t addr);

/* General registers in the signal frame by hardware number. */
uint64_t *trap_reg(ucontext_t *uc, unsigned int reg);
/* The base of FS (4) or GS (5), 0 for others. */
uint64_t trap_segment(unsigned int segment);

/* xstate.c: vector and mask registers in the signal frame. */
void xstate_init(void);
bool xstate_get_vector(const ucontext_t *uc, unsigned int reg, uint8_t value[64]);
/* Sets the low @len (16, 32, 64) bytes; @zero_upper: and clears the rest. */
bool xstate_set_vector(ucontext_t *uc, unsigned int reg, const uint8_t value[64], size_t len,
		       bool zero_upper);
bool xstate_get_mask(const ucontext_t *uc, unsigned int reg, uint64_t *value);

/* alu.S: (a op b) at 1, 2, 4, 8 bytes (@log2_width) with the arithmetic flags in @flags. */
typedef uint64_t (*alu_fn)(uint64_t a, uint64_t b, uint64_t *flags);
alu_fn alu_function(enum alu_op op, unsigned int log2_width);

/* Makes traps work: the fault handler, the decoder. Called before the first mapping. */
int trap_init(void);

/* code.c, in signal context. */
/* What a debugger has overwritten with a breakpoint at @addr. */
bool code_behind_breakpoint(uintptr_t addr, uint8_t *byte);
/* Whether a debugger is attached. */
bool code_is_debugged(void);

#endif
