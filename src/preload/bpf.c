/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The classic BPF machine as far as seccomp filters may use it (Linux,
 * Documentation/userspace-api/seccomp_filter.rst): two registers, sixteen words of memory, loads of
 * aligned words of struct seccomp_data, forward jumps only, so that every program ends.
 */
#include "preload/bpf.h"

#include <string.h>

struct bpf_state {
	uint32_t a, x, mem[BPF_MEMWORDS];
	const struct seccomp_data *data;
	bool bad;
};

static uint32_t load(struct bpf_state *s, const struct sock_filter *insn)
{
	uint32_t word = 0;

	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		return insn->k;
	case BPF_LEN:
		return sizeof(*s->data);
	case BPF_MEM:
		s->bad = insn->k >= BPF_MEMWORDS;
		return s->bad ? 0 : s->mem[insn->k];
	case BPF_ABS:
		s->bad = insn->k > sizeof(*s->data) - sizeof(word) || insn->k % sizeof(word);
		if (!s->bad)
			memcpy(&word, (const char *)s->data + insn->k, sizeof(word));
		return word;
	default:
		s->bad = true;
		return 0;
	}
}

static uint32_t compute(struct bpf_state *s, const struct sock_filter *insn)
{
	uint32_t b = BPF_SRC(insn->code) == BPF_X ? s->x : insn->k;

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		return s->a + b;
	case BPF_SUB:
		return s->a - b;
	case BPF_MUL:
		return s->a * b;
	case BPF_DIV:
		s->bad = !b;
		return b ? s->a / b : 0;
	case BPF_AND:
		return s->a & b;
	case BPF_OR:
		return s->a | b;
	case BPF_XOR:
		return s->a ^ b;
	case BPF_LSH:
		return b < 32 ? s->a << b : 0;
	case BPF_RSH:
		return b < 32 ? s->a >> b : 0;
	case BPF_NEG:
		return -s->a;
	default:
		s->bad = true;
		return 0;
	}
}

/* How many instructions are skipped. */
static size_t jump(struct bpf_state *s, const struct sock_filter *insn)
{
	uint32_t b = BPF_SRC(insn->code) == BPF_X ? s->x : insn->k;
	bool yes;

	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return insn->k;
	case BPF_JEQ:
		yes = s->a == b;
		break;
	case BPF_JGT:
		yes = s->a > b;
		break;
	case BPF_JGE:
		yes = s->a >= b;
		break;
	case BPF_JSET:
		yes = (s->a & b) != 0;
		break;
	default:
		s->bad = true;
		return 0;
	}
	return yes ? insn->jt : insn->jf;
}

uint32_t bpf_run(const struct sock_filter *insns, size_t count, const struct seccomp_data *data)
{
	struct bpf_state s = { .data = data };
	const struct sock_filter *insn;
	size_t pc;

	for (pc = 0; pc < count && !s.bad; pc++) {
		insn = &insns[pc];
		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			s.a = load(&s, insn);
			break;
		case BPF_LDX:
			s.x = load(&s, insn);
			break;
		case BPF_ST:
		case BPF_STX:
			s.bad = insn->k >= BPF_MEMWORDS;
			if (!s.bad)
				s.mem[insn->k] = BPF_CLASS(insn->code) == BPF_ST ? s.a : s.x;
			break;
		case BPF_ALU:
			s.a = compute(&s, insn);
			break;
		case BPF_JMP:
			pc += jump(&s, insn);
			break;
		case BPF_RET:
			return BPF_RVAL(insn->code) == BPF_A ? s.a : insn->k;
		case BPF_MISC:
			if (BPF_MISCOP(insn->code) == BPF_TAX)
				s.x = s.a;
			else
				s.a = s.x;
			break;
		}
	}
	return SECCOMP_RET_ALLOW;
}
