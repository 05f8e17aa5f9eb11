/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vector registers in a signal frame: the XSAVE area in its standard format (Intel SDM volume 1,
 * chapter 13). A component whose bit in XSTATE_BV is clear is in its initial state, all zero,
 * whatever the memory says; before a part of it is written, the rest is made so.
 */
#include <cpuid.h>
#include <string.h>

#include "file/trap_priv.h"

#define XMM_OFFSET    160 /* in the legacy area */
#define SW_MAGIC1     464
#define SW_XFEATURES  472
#define XSTATE_BV     512
#define XSTATE_MAGIC1 0x46505853U

enum component { X_SSE = 1, X_AVX = 2, X_OPMASK = 5, X_ZMM_HI256 = 6, X_HI16_ZMM = 7, X_COUNT };

/* Offset and size of each component, from CPUID leaf 0xd; written once. */
static struct {
	uint32_t offset, size;
} components[X_COUNT];

void xstate_init(void)
{
	unsigned int i, eax, ebx, ecx, edx;

	components[X_SSE].offset = XMM_OFFSET;
	components[X_SSE].size = 16 * 16;
	for (i = X_AVX; i < X_COUNT; i++) {
		if (!__get_cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx))
			continue;
		components[i].offset = ebx;
		components[i].size = eax;
	}
}

/* The component in the frame, NULL when the frame has none. */
static uint8_t *component(const ucontext_t *uc, enum component c)
{
	uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
	uint64_t features;
	uint32_t magic;

	if (!fp || !components[c].size)
		return NULL;
	memcpy(&magic, fp + SW_MAGIC1, sizeof(magic));
	if (magic != XSTATE_MAGIC1)
		return c == X_SSE ? fp + XMM_OFFSET : NULL;
	memcpy(&features, fp + SW_XFEATURES, sizeof(features));
	return features & BIT_ULL(c) ? fp + components[c].offset : NULL;
}

static bool in_use(const ucontext_t *uc, enum component c)
{
	const uint8_t *fp = (const uint8_t *)uc->uc_mcontext.fpregs;
	uint64_t used;
	uint32_t magic;

	memcpy(&magic, fp + SW_MAGIC1, sizeof(magic));
	if (magic != XSTATE_MAGIC1)
		return true;
	memcpy(&used, fp + XSTATE_BV, sizeof(used));
	return used & BIT_ULL(c);
}

static bool get_part(const ucontext_t *uc, enum component c, size_t off, void *value, size_t len)
{
	const uint8_t *area = component(uc, c);

	if (!area || off + len > components[c].size)
		return false;
	if (in_use(uc, c))
		memcpy(value, area + off, len);
	else
		memset(value, 0, len);
	return true;
}

static bool set_part(ucontext_t *uc, enum component c, size_t off, const void *value, size_t len)
{
	uint8_t *area = component(uc, c), *bv = (uint8_t *)uc->uc_mcontext.fpregs + XSTATE_BV;
	uint64_t used;

	if (!area || off + len > components[c].size)
		return false;
	if (!in_use(uc, c)) {
		memset(area, 0, components[c].size);
		memcpy(&used, bv, sizeof(used));
		used |= BIT_ULL(c);
		memcpy(bv, &used, sizeof(used));
	}
	memcpy(area + off, value, len);
	return true;
}

bool xstate_get_vector(const ucontext_t *uc, unsigned int reg, uint8_t value[64])
{
	memset(value, 0, 64);
	if (reg >= 16)
		return get_part(uc, X_HI16_ZMM, (reg - 16) * 64UL, value, 64);
	if (!get_part(uc, X_SSE, reg * 16UL, value, 16))
		return false;
	/* Without these the register is not wider. */
	get_part(uc, X_AVX, reg * 16UL, value + 16, 16);
	get_part(uc, X_ZMM_HI256, reg * 32UL, value + 32, 32);
	return true;
}

bool xstate_set_vector(ucontext_t *uc, unsigned int reg, const uint8_t value[64], size_t len,
		       bool zero_upper)
{
	uint8_t whole[64] = { 0 };
	size_t size = zero_upper ? 64 : len;

	memcpy(whole, value, len);
	if (reg >= 16)
		return set_part(uc, X_HI16_ZMM, (reg - 16) * 64UL, whole, size);
	if (len > 16 && !component(uc, X_AVX))
		return false;
	if (len > 32 && !component(uc, X_ZMM_HI256))
		return false;
	if (!set_part(uc, X_SSE, reg * 16UL, whole, 16))
		return false;
	if (size > 16)
		set_part(uc, X_AVX, reg * 16UL, whole + 16, 16);
	if (size > 32)
		set_part(uc, X_ZMM_HI256, reg * 32UL, whole + 32, 32);
	return true;
}

bool xstate_get_mask(const ucontext_t *uc, unsigned int reg, uint64_t *value)
{
	return get_part(uc, X_OPMASK, reg * 8UL, value, sizeof(*value));
}
