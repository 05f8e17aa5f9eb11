/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers and descriptors of Intel's I/O Acceleration Technology (QuickData, Crystal Beach) DMA
 * engine, version 3: Intel Xeon Processor E5/E7 v2 datasheets, volume 2, "Crystal Beach DMA". Names
 * follow the datasheet. All fields are little-endian, as the host is.
 */
#ifndef MODELS_IOAT_REGS_H
#define MODELS_IOAT_REGS_H

#include "base/types.h"

/* ---- the function's registers (BAR 0) ------------------------------------------------------- */

enum ioat_reg {
	IOAT_REG_CHANCNT = 0x00,    /* 8 bits */
	IOAT_REG_XFERCAP = 0x01,    /* 8 bits */
	IOAT_REG_GENCTRL = 0x02,    /* 8 bits */
	IOAT_REG_INTRCTRL = 0x03,   /* 8 bits */
	IOAT_REG_ATTNSTATUS = 0x04, /* 32 bits */
	IOAT_REG_CBVER = 0x08,	    /* 8 bits */
	IOAT_REG_INTRDELAY = 0x0c,  /* 16 bits */
	IOAT_REG_CS_STATUS = 0x0e,  /* 16 bits */
	IOAT_REG_DMACAP = 0x10,	    /* 32 bits */
	IOAT_REG_CHAN = 0x80,	    /* channel n at IOAT_REG_CHAN * (n + 1) */
};

#define IOAT_CHAN_SIZE 0x80u

#define IOAT_CBVER_3_3 0x33

#define IOAT_GENCTRL_DEBUG_EN BIT(0)

/* INTRCTRL. A read in the legacy interrupt mode clears MASTER_INT_EN. */
#define IOAT_INTRCTRL_MASTER_INT_EN BIT(0)
#define IOAT_INTRCTRL_INT_STATUS    BIT(1) /* a bit of ATTNSTATUS is set */
#define IOAT_INTRCTRL_INT	    BIT(2) /* INT_STATUS and MASTER_INT_EN */
#define IOAT_INTRCTRL_MSIX_VECTOR   BIT(3)

/* DMACAPABILITY. */
#define IOAT_DMACAP_PAGE_BREAK BIT(0)
#define IOAT_DMACAP_BLOCK_FILL BIT(6)

/* ---- a channel's registers ------------------------------------------------------------------ */

enum ioat_chan_reg {
	IOAT_CHAN_CTRL = 0x00,	    /* 16 bits */
	IOAT_CHAN_DMA_COMP = 0x02,  /* 16 bits */
	IOAT_CHAN_CMD = 0x04,	    /* 8 bits */
	IOAT_CHAN_DMACOUNT = 0x06,  /* 16 bits */
	IOAT_CHAN_STS = 0x08,	    /* 64 bits */
	IOAT_CHAN_CHAINADDR = 0x10, /* 64 bits */
	IOAT_CHAN_CMP = 0x18,	    /* 64 bits */
	IOAT_CHAN_ERR = 0x28,	    /* 32 bits, write 1 to clear */
	IOAT_CHAN_ERRMSK = 0x2c,    /* 32 bits */
	IOAT_CHAN_DCACTRL = 0x30,   /* 32 bits */
};

/* CHANCTRL. INT_DISABLE is set by each interrupt and cleared by a written 1. */
#define IOAT_CHANCTRL_INT_DISABLE     BIT(0)
#define IOAT_CHANCTRL_ERR_COMPL_EN    BIT(2)
#define IOAT_CHANCTRL_ANY_ERR_ABORT   BIT(3)
#define IOAT_CHANCTRL_ERR_INT_EN      BIT(4)
#define IOAT_CHANCTRL_DESC_SNOOP_CTRL BIT(5)
#define IOAT_CHANCTRL_IN_USE	      BIT(8)
#define IOAT_CHANCTRL_RW                                                                       \
	(IOAT_CHANCTRL_ERR_COMPL_EN | IOAT_CHANCTRL_ANY_ERR_ABORT | IOAT_CHANCTRL_ERR_INT_EN | \
	 IOAT_CHANCTRL_DESC_SNOOP_CTRL | IOAT_CHANCTRL_IN_USE)

/* DMA_COMP: compatible with versions 2 and 3, not with 1. */
#define IOAT_DMA_COMP_V2 BIT(1)
#define IOAT_DMA_COMP_V3 BIT(2)

/* CHANCMD. Start and append are of version 1; DMACOUNT does their work. */
#define IOAT_CHANCMD_START   BIT(0)
#define IOAT_CHANCMD_APPEND  BIT(1)
#define IOAT_CHANCMD_SUSPEND BIT(2)
#define IOAT_CHANCMD_ABORT   BIT(3)
#define IOAT_CHANCMD_RESUME  BIT(4)
#define IOAT_CHANCMD_RESET   BIT(5)
#define IOAT_CHANCMD_MASK    0x3fu

/* CHANSTS: the address of the last descriptor that completed, and the state. */
enum ioat_state {
	IOAT_ACTIVE = 0,
	IOAT_IDLE = 1, /* all descriptors are done */
	IOAT_SUSPENDED = 2,
	IOAT_HALTED = 3,
	IOAT_ARMED = 4, /* has a chain address, no descriptor yet */
};
#define IOAT_CHANSTS_STATE 7u

#define IOAT_CHANCMP_ALIGN 8u

/* CHANERR, CHANERRMSK, and CHANERR_INT and its relatives in config space. */
#define IOAT_ERR_SRC_ADDR   BIT(0)  /* illegal source address */
#define IOAT_ERR_DEST_ADDR  BIT(1)  /* illegal destination address */
#define IOAT_ERR_NEXT_ADDR  BIT(2)  /* illegal next descriptor address */
#define IOAT_ERR_DESC	    BIT(3)  /* the descriptor could not be read */
#define IOAT_ERR_CHAIN_ADDR BIT(4)  /* illegal CHAINADDR */
#define IOAT_ERR_CHANCMD    BIT(5)  /* more than one command at once */
#define IOAT_ERR_READ_DATA  BIT(8)  /* source data could not be read */
#define IOAT_ERR_WRITE_DATA BIT(9)  /* destination data could not be written */
#define IOAT_ERR_DESC_CTRL  BIT(10) /* illegal control field */
#define IOAT_ERR_LENGTH	    BIT(11) /* length 0 or above XFERCAP */
#define IOAT_ERR_CMP_ADDR   BIT(12) /* illegal CHANCMP, or none */
#define IOAT_ERR_MASK	    0x0007bfffu

#define IOAT_DCACTRL_MASK 0x0001ffffu

/* ---- config space, beside the capabilities --------------------------------------------------- */

enum ioat_cfg {
	IOAT_CFG_DMAUNCERRSTS = 0x148, /* write 1 to clear */
	IOAT_CFG_DMAUNCERRMSK = 0x14c,
	IOAT_CFG_DMAUNCERRSEV = 0x150,
	IOAT_CFG_DMAUNCERRPTR = 0x154, /* 8 bits */
	IOAT_CFG_DMAGLBERRPTR = 0x160, /* 8 bits */
	IOAT_CFG_CHANERR_INT = 0x180,  /* write 1 to clear */
	IOAT_CFG_CHANERRMSK_INT = 0x184,
	IOAT_CFG_CHANERRSEV_INT = 0x188,
	IOAT_CFG_CHANERRPTR = 0x18c, /* 8 bits */
	IOAT_CFG_END = 0x190,
};

#define IOAT_DMAUNCERR_MASK 0x00001530u

/* ---- descriptors ----------------------------------------------------------------------------- */

#define IOAT_DESC_SIZE 64u

struct ioat_desc {
	uint32_t size;
	uint32_t ctl;
	uint64_t src; /* of a fill: the pattern */
	uint64_t dst;
	uint64_t next;
	uint64_t next_src; /* where the source goes on when SRC_BREAK is set */
	uint64_t next_dst;
	uint64_t user[2];
};
_Static_assert(sizeof(struct ioat_desc) == IOAT_DESC_SIZE, "descriptors have 64 bytes");
_Static_assert(offsetof(struct ioat_desc, next) == 24, "next is misplaced");
_Static_assert(offsetof(struct ioat_desc, next_dst) == 40, "next_dst is misplaced");

#define IOAT_CTL_INT_EN	     BIT(0)
#define IOAT_CTL_COMPL_WRITE BIT(3)
#define IOAT_CTL_FENCE	     BIT(4)
#define IOAT_CTL_NULL	     BIT(5)
#define IOAT_CTL_SRC_BREAK   BIT(6)
#define IOAT_CTL_DST_BREAK   BIT(7)
#define IOAT_CTL_OP(ctl)     ((ctl) >> 24)
#define IOAT_CTL_SET_OP(op)  ((uint32_t)(op) << 24)

enum ioat_op { IOAT_OP_COPY = 0, IOAT_OP_FILL = 1 };

#endif
