/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers and descriptors of the Intel 82576 Gigabit Ethernet controller: "Intel 82576EB Gigabit
 * Ethernet Controller Datasheet", revision 2.87; section numbers are its. Names follow it. All
 * fields are little-endian, as the host is. What the model treats as plain storage has no name here
 * (regs.c lists it).
 */
#ifndef MODELS_IGB_REGS_H
#define MODELS_IGB_REGS_H

#include "base/types.h"

/* ---- the physical function's registers (8.1.3) ---------------------------------------------- */

enum igb_reg {
	IGB_CTRL = 0x0000,
	IGB_CTRL_DUP = 0x0004,
	IGB_STATUS = 0x0008,
	IGB_EECD = 0x0010,
	IGB_EERD = 0x0014,
	IGB_CTRL_EXT = 0x0018,
	IGB_MDIC = 0x0020,
	IGB_VET = 0x0038,
	IGB_ICR_ALIAS = 0x00c0, /* 0xc0 to 0xe0: 8.1.2, aliases of 0x1500 to 0x1510 */
	IGB_ICS_ALIAS = 0x00c8,
	IGB_IMS_ALIAS = 0x00d0,
	IGB_IMC_ALIAS = 0x00d8,
	IGB_IAM_ALIAS = 0x00e0,
	IGB_RCTL = 0x0100,
	IGB_TCTL = 0x0400,
	IGB_VMBMEM = 0x0800, /* 64 bytes for each VF */
	IGB_P2VMAILBOX = 0x0c00,
	IGB_V2PMAILBOX = 0x0c40,
	IGB_MBVFICR = 0x0c80,
	IGB_MBVFIMR = 0x0c84,
	IGB_VFLRE = 0x0c88,
	IGB_VFRE = 0x0c8c,
	IGB_VFTE = 0x0c90,
	IGB_LEDCTL = 0x0e00,
	IGB_EEMNGCTL = 0x1010,
	IGB_I2CCMD = 0x1028,
	IGB_FRTIMER = 0x1048,
	IGB_TCPTIMER = 0x104c,
	IGB_ICR = 0x1500,
	IGB_ICS = 0x1504,
	IGB_IMS = 0x1508,
	IGB_IMC = 0x150c,
	IGB_IAM = 0x1510,
	IGB_GPIE = 0x1514,
	IGB_EICS = 0x1520,
	IGB_EIMS = 0x1524,
	IGB_EIMC = 0x1528,
	IGB_EIAC = 0x152c,
	IGB_EIAM = 0x1530,
	IGB_EICR = 0x1580,
	IGB_EITR = 0x1680, /* 25 of them */
	IGB_IVAR = 0x1700, /* 8 of them */
	IGB_IVAR_MISC = 0x1740,
	IGB_RXPBS = 0x2404,
	IGB_TXPBS = 0x3404,
	IGB_DTXSWC = 0x3500,
	IGB_WVBR = 0x3554,
	IGB_DTXTCPFLGL = 0x359c,
	IGB_DTXTCPFLGH = 0x35a0,
	IGB_VMVIR = 0x3700, /* one for each pool */
	IGB_STATS = 0x4000,
	IGB_PCS_LSTAT = 0x420c,
	IGB_SSVPC = 0x41a0,
	IGB_RXCSUM = 0x5000,
	IGB_RLPML = 0x5004,
	IGB_RFCTL = 0x5008,
	IGB_MTA = 0x5200,
	IGB_RA = 0x5400,
	IGB_PSRTYPE = 0x5480,
	IGB_RA2 = 0x54e0,
	IGB_VFTA = 0x5600,
	IGB_MRQC = 0x5818,
	IGB_VT_CTL = 0x581c,
	IGB_MANC = 0x5820,
	IGB_VMOLR = 0x5ad0,
	IGB_RPLOLR = 0x5af0,
	IGB_GCR = 0x5b00,
	IGB_FACTPS = 0x5b30,
	IGB_SWSM = 0x5b50,
	IGB_FWSM = 0x5b54,
	IGB_SW_FW_SYNC = 0x5b5c,
	IGB_RETA = 0x5c00,
	IGB_RSSRK = 0x5c80,
	IGB_ETQF = 0x5cb0,
	IGB_VLVF = 0x5d00,
	IGB_UTA = 0xa000,
	IGB_SYSTIML = 0xb600,
	IGB_SYSTIMH = 0xb604,
	IGB_TIMINCA = 0xb608,
	IGB_PFVF_STATS = 0x10010, /* VF n at + 0x100 * n, 8.27.6 */
};

/* CTRL (8.2.1). */
#define IGB_CTRL_FD		BIT(0)
#define IGB_CTRL_MASTER_DISABLE BIT(2)
#define IGB_CTRL_SLU		BIT(6)
#define IGB_CTRL_SPEED_SHIFT	8
#define IGB_CTRL_FRCSPD		BIT(11)
#define IGB_CTRL_FRCDPLX	BIT(12)
#define IGB_CTRL_RST		BIT(26)
#define IGB_CTRL_RFCE		BIT(27)
#define IGB_CTRL_TFCE		BIT(28)
#define IGB_CTRL_VME		BIT(30)
#define IGB_CTRL_PHY_RST	BIT(31)

/* STATUS (8.2.2). */
#define IGB_STATUS_FD		 BIT(0)
#define IGB_STATUS_LU		 BIT(1)
#define IGB_STATUS_TXOFF	 BIT(4)
#define IGB_STATUS_SPEED_SHIFT	 6
#define IGB_STATUS_LAN_INIT_DONE BIT(9)
#define IGB_STATUS_PHYRA	 BIT(10)
#define IGB_STATUS_NUM_VFS_SHIFT 14
#define IGB_STATUS_IOV		 BIT(18)
#define IGB_STATUS_MASTER_ENABLE BIT(19)
#define IGB_STATUS_PF_RST_DONE	 BIT(21)

/* EECD (8.4.1), EERD (8.4.2). */
#define IGB_EECD_REQ	   BIT(6)
#define IGB_EECD_GNT	   BIT(7)
#define IGB_EECD_PRES	   BIT(8)
#define IGB_EECD_AUTO_RD   BIT(9)
#define IGB_EECD_SIZE_256W (2u << 11)
#define IGB_EECD_TYPE_SPI  BIT(13)
#define IGB_EERD_START	   BIT(0)
#define IGB_EERD_DONE	   BIT(1)

/* CTRL_EXT (8.2.3). */
#define IGB_CTRL_EXT_PFRSTD BIT(14)
#define IGB_CTRL_EXT_EIAME  BIT(24)
#define IGB_CTRL_EXT_IAME   BIT(27)

/* MDIC (8.2.4). */
#define IGB_MDIC_REG(v) (((v) >> 16) & 0x1f)
#define IGB_MDIC_PHY(v) (((v) >> 21) & 0x1f)
#define IGB_MDIC_WRITE	BIT(26)
#define IGB_MDIC_READ	BIT(27)
#define IGB_MDIC_READY	BIT(28)
#define IGB_MDIC_INT_EN BIT(29)
#define IGB_MDIC_ERROR	BIT(30)

/* RCTL (8.10.1). */
#define IGB_RCTL_RXEN	     BIT(1)
#define IGB_RCTL_UPE	     BIT(3)
#define IGB_RCTL_MPE	     BIT(4)
#define IGB_RCTL_LPE	     BIT(5)
#define IGB_RCTL_LBM	     0xc0u
#define IGB_RCTL_RDMTS_SHIFT 8
#define IGB_RCTL_MO_SHIFT    12
#define IGB_RCTL_BAM	     BIT(15)
#define IGB_RCTL_BSIZE_SHIFT 16
#define IGB_RCTL_VFE	     BIT(18)
#define IGB_RCTL_CFIEN	     BIT(19)
#define IGB_RCTL_CFI	     BIT(20)
#define IGB_RCTL_SECRC	     BIT(26)

/* TCTL (8.12.1). */
#define IGB_TCTL_EN  BIT(1)
#define IGB_TCTL_PSP BIT(3)

/* Interrupt causes (8.8.9); the "other" cause of EICR in the modes without MSI-X (8.8.1). */
#define IGB_ICR_TXDW	     BIT(0)
#define IGB_ICR_LSC	     BIT(2)
#define IGB_ICR_RXDMT0	     BIT(4)
#define IGB_ICR_MISS	     BIT(6)
#define IGB_ICR_RXDW	     BIT(7)
#define IGB_ICR_VMMB	     BIT(8)
#define IGB_ICR_MDIC	     BIT(9)
#define IGB_ICR_DRSTA	     BIT(30)
#define IGB_ICR_INT_ASSERTED BIT(31)
#define IGB_ICR_ALL	     0x7fffffffu
#define IGB_EICR_TCP_TIMER   BIT(30)
#define IGB_EICR_OTHER	     BIT(31)
#define IGB_EICR_MSIX	     0x01ffffffu
#define IGB_EICR_LEGACY	     0xc000ffffu

#define IGB_GPIE_NSICR	       BIT(0)
#define IGB_GPIE_MULTIPLE_MSIX BIT(4)
#define IGB_GPIE_EIAME	       BIT(30)
#define IGB_IVAR_VALID	       0x80u
#define IGB_EITR_INTERVAL(v)   (((v) >> 2) & 0x1fff) /* microseconds */
#define IGB_EITR_CNT_INGR      BIT(31)

/* RXCSUM (8.10.15), RLPML (8.10.16). */
#define IGB_RXCSUM_PCSS	  0xffu
#define IGB_RXCSUM_IPOFL  BIT(8)
#define IGB_RXCSUM_TUOFL  BIT(9)
#define IGB_RXCSUM_CRCOFL BIT(11)
#define IGB_RXCSUM_IPPCSE BIT(12)
#define IGB_RXCSUM_PCSD	  BIT(13)

/* MRQC (8.10.18). */
#define IGB_MRQC_MODE	   7u
#define IGB_MRQC_RSS	   2u
#define IGB_MRQC_VMDQ	   3u
#define IGB_MRQC_VMDQ_RSS  5u
#define IGB_MRQC_TCPIPV4   BIT(16)
#define IGB_MRQC_IPV4	   BIT(17)
#define IGB_MRQC_TCPIPV6EX BIT(18)
#define IGB_MRQC_IPV6EX	   BIT(19)
#define IGB_MRQC_IPV6	   BIT(20)
#define IGB_MRQC_TCPIPV6   BIT(21)
#define IGB_MRQC_UDPIPV4   BIT(22)
#define IGB_MRQC_UDPIPV6   BIT(23)
#define IGB_MRQC_UDPIPV6EX BIT(24)

/* RAH (8.10.21), VT_CTL (8.14.1), VMOLR (8.14.9), VLVF (8.14.12), VMVIR (8.14.13), DTXSWC. */
#define IGB_RAH_POOL(v)		((v) >> 18 & 0xff)
#define IGB_RAH_AV		BIT(31)
#define IGB_VT_CTL_DEF_POOL(v)	((v) >> 7 & 7)
#define IGB_VT_CTL_DIS_DEF_POOL BIT(29)
#define IGB_VT_CTL_REPL_EN	BIT(30)
#define IGB_VMOLR_RLPML		0x3fffu
#define IGB_VMOLR_LPE		BIT(16)
#define IGB_VMOLR_RSSE		BIT(17)
#define IGB_VMOLR_AUPE		BIT(24)
#define IGB_VMOLR_ROMPE		BIT(25)
#define IGB_VMOLR_ROPE		BIT(26)
#define IGB_VMOLR_BAM		BIT(27)
#define IGB_VMOLR_MPME		BIT(28)
#define IGB_VMOLR_STRVLAN	BIT(30)
#define IGB_VMOLR_STRCRC	BIT(31)
#define IGB_VLVF_VLAN		0xfffu
#define IGB_VLVF_POOLS(v)	((v) >> 12 & 0xff)
#define IGB_VLVF_ENABLE		BIT(31)
#define IGB_VMVIR_ACTION(v)	((v) >> 30)
#define IGB_DTXSWC_MAC_AS(v)	((v)&0xff)
#define IGB_DTXSWC_VLAN_AS(v)	((v) >> 8 & 0xff)
#define IGB_DTXSWC_LLE(v)	((v) >> 16 & 0xff)
#define IGB_DTXSWC_LOOPBACK_EN	BIT(31)

#define IGB_SWSM_SMBI	 BIT(0)
#define IGB_SWSM_SWESMBI BIT(1)

/* ---- queues (8.10.5 to 8.10.10, 8.12.8 to 8.12.15) ------------------------------------------ */

/* The blocks: queue n at BASE + 0x40 * n, and the first four once more at ALIAS + 0x100 * n. */
#define IGB_RXQ_BASE	0xc000u
#define IGB_RXQ_ALIAS	0x2800u
#define IGB_TXQ_BASE	0xe000u
#define IGB_TXQ_ALIAS	0x3800u
#define IGB_QUEUE_SIZE	0x40u
#define IGB_ALIAS_SIZE	0x100u
#define IGB_ALIAS_COUNT 4u

enum igb_queue_reg {
	IGB_Q_BAL = 0x00,
	IGB_Q_BAH = 0x04,
	IGB_Q_LEN = 0x08,
	IGB_Q_SRRCTL = 0x0c, /* receive queues only */
	IGB_Q_HEAD = 0x10,
	IGB_Q_DCA = 0x14, /* RXCTL, TXCTL */
	IGB_Q_TAIL = 0x18,
	IGB_Q_DCTL = 0x28,
	IGB_Q_RQDPC = 0x30, /* receive queues only; a read clears it */
	IGB_Q_WBAL = 0x38,  /* transmit queues: TDWBAL; receive queues: DVMOLR */
	IGB_Q_WBAH = 0x3c,
};

#define IGB_DCTL_ENABLE	      BIT(25)
#define IGB_DCTL_SWFLSH	      BIT(26)
#define IGB_TDWBAL_HEAD_WB_EN BIT(0)
#define IGB_DVMOLR_STRVLAN    BIT(30)
#define IGB_DVMOLR_STRCRC     BIT(31)

#define IGB_SRRCTL_BSIZEPACKET(v) ((v)&0x7f)	    /* KiB */
#define IGB_SRRCTL_BSIZEHEADER(v) ((v) >> 8 & 0x3f) /* 64 bytes */
#define IGB_SRRCTL_DESCTYPE(v)	  ((v) >> 25 & 7)
#define IGB_SRRCTL_DROP_EN	  BIT(31)
enum igb_desctype {
	IGB_DESC_LEGACY = 0,
	IGB_DESC_ONE_BUFFER = 1,
	IGB_DESC_SPLIT = 2,
	IGB_DESC_REPLICATE = 3,
	IGB_DESC_REPLICATE_LARGE = 4,
	IGB_DESC_SPLIT_ALWAYS = 5,
};

#define IGB_DESC_SIZE 16u
/* What any descriptor is, before it is known which. */
struct igb_desc {
	uint64_t addr;
	uint32_t lo, hi;
};
_Static_assert(sizeof(struct igb_desc) == IGB_DESC_SIZE, "a descriptor");

/* Transmit (7.2.2). The command byte is the highest of @lo in all formats. */
#define IGB_TXD_EOP	   BIT(24)
#define IGB_TXD_IFCS	   BIT(25)
#define IGB_TXD_IC	   BIT(26) /* legacy */
#define IGB_TXD_RS	   BIT(27)
#define IGB_TXD_DEXT	   BIT(29)
#define IGB_TXD_VLE	   BIT(30)
#define IGB_TXD_TSE	   BIT(31) /* advanced */
#define IGB_TXD_DTYP(lo)   ((lo) >> 20 & 0xf)
#define IGB_TXD_CONTEXT	   2u
#define IGB_TXD_DATA	   3u
#define IGB_TXD_LEN	   0xffffu
#define IGB_TXD_DD	   BIT(0)
#define IGB_TXD_IDX(hi)	   ((hi) >> 4 & 7)
#define IGB_TXD_IXSM	   BIT(8)
#define IGB_TXD_TXSM	   BIT(9)
#define IGB_TXD_PAYLEN(hi) ((hi) >> 14)
/* Context (7.2.2.2): in the words of struct igb_desc. */
#define IGB_CTX_IPLEN(d)  ((uint32_t)(d)->addr & 0x1ff)
#define IGB_CTX_MACLEN(d) ((uint32_t)(d)->addr >> 9 & 0x7f)
#define IGB_CTX_VLAN(d)	  ((uint16_t)((d)->addr >> 16))
#define IGB_CTX_IPV4	  BIT(10)
#define IGB_CTX_L4T(lo)	  ((lo) >> 11 & 3)
#define IGB_CTX_L4LEN(hi) ((hi) >> 8 & 0xff)
#define IGB_CTX_MSS(hi)	  ((hi) >> 16)
enum igb_l4t { IGB_L4T_UDP = 0, IGB_L4T_TCP = 1, IGB_L4T_SCTP = 2 };

/* Receive (7.1.4, 7.1.5): status in the lower bits of the third word, errors in the upper. */
#define IGB_RXD_DD    BIT(0)
#define IGB_RXD_EOP   BIT(1)
#define IGB_RXD_IXSM  BIT(2) /* legacy: ignore the checksum indication */
#define IGB_RXD_VP    BIT(3)
#define IGB_RXD_UDPCS BIT(4)
#define IGB_RXD_L4CS  BIT(5)
#define IGB_RXD_IPCS  BIT(6)
#define IGB_RXD_PIF   BIT(7)
#define IGB_RXD_UDPV  BIT(10)
#define IGB_RXD_LB    BIT(18)
#define IGB_RXD_L4E   BIT(29)
#define IGB_RXD_IPE   BIT(30)
#define IGB_RXD_SPH   BIT(31) /* first word */
/* Packet type, from bit 4 of the first word. */
#define IGB_PTYPE_IPV4	BIT(4)
#define IGB_PTYPE_IPV4E BIT(5)
#define IGB_PTYPE_IPV6	BIT(6)
#define IGB_PTYPE_IPV6E BIT(7)
#define IGB_PTYPE_TCP	BIT(8)
#define IGB_PTYPE_UDP	BIT(9)
#define IGB_PTYPE_SCTP	BIT(10)
#define IGB_PTYPE_ETQF	BIT(15)

/* ---- mailboxes (8.14.2, 8.14.3) ------------------------------------------------------------- */

#define IGB_P2V_STS   BIT(0)
#define IGB_P2V_ACK   BIT(1)
#define IGB_P2V_VFU   BIT(2)
#define IGB_P2V_PFU   BIT(3)
#define IGB_P2V_RVFU  BIT(4)
#define IGB_V2P_REQ   BIT(0)
#define IGB_V2P_ACK   BIT(1)
#define IGB_V2P_VFU   BIT(2)
#define IGB_V2P_PFU   BIT(3)
#define IGB_V2P_PFSTS BIT(4)
#define IGB_V2P_PFACK BIT(5)
#define IGB_V2P_RSTI  BIT(6)
#define IGB_V2P_RSTD  BIT(7)
#define IGB_V2P_R2C   (IGB_V2P_PFSTS | IGB_V2P_PFACK | IGB_V2P_RSTD)
#define IGB_MBX_WORDS 16u

/* ---- statistics (8.18), a read clears them --------------------------------------------------- */

enum igb_stat {
	IGB_MPC = 0x4010,
	IGB_XONRXC = 0x4048,
	IGB_XONTXC = 0x404c,
	IGB_XOFFRXC = 0x4050,
	IGB_XOFFTXC = 0x4054,
	IGB_PRC64 = 0x405c,
	IGB_GPRC = 0x4074,
	IGB_BPRC = 0x4078,
	IGB_MPRC = 0x407c,
	IGB_GPTC = 0x4080,
	IGB_GORCL = 0x4088,
	IGB_GOTCL = 0x4090,
	IGB_RNBC = 0x40a0,
	IGB_RUC = 0x40a4,
	IGB_ROC = 0x40ac,
	IGB_TORL = 0x40c0,
	IGB_TOTL = 0x40c8,
	IGB_TPR = 0x40d0,
	IGB_TPT = 0x40d4,
	IGB_PTC64 = 0x40d8,
	IGB_MPTC = 0x40f0,
	IGB_BPTC = 0x40f4,
	IGB_TSCTC = 0x40f8,
	IGB_IAC = 0x4100,
	IGB_RPTHC = 0x4104,
	IGB_HGPTC = 0x4118,
	IGB_HGORCL = 0x4128,
	IGB_HGOTCL = 0x4130,
	IGB_STATS_END = 0x4140,
};

/* ---- a virtual function's registers (8.26) --------------------------------------------------- */

enum igbvf_reg {
	IGBVF_VTCTRL = 0x0000,
	IGBVF_STATUS = 0x0008,
	IGBVF_VTFRTIMER = 0x1048,
	IGBVF_VMBMEM = 0x0800,
	IGBVF_V2PMAILBOX = 0x0c40,
	IGBVF_PSRTYPE = 0x0f0c,
	IGBVF_GPRC = 0x0f10,
	IGBVF_GPTC = 0x0f14,
	IGBVF_GORC = 0x0f18,
	IGBVF_GOTC = 0x0f34,
	IGBVF_MPRC = 0x0f3c,
	IGBVF_GPRLBC = 0x0f40,
	IGBVF_GPTLBC = 0x0f44,
	IGBVF_GORLBC = 0x0f48,
	IGBVF_GOTLBC = 0x0f50,
	IGBVF_EICS = 0x1520,
	IGBVF_EIMS = 0x1524,
	IGBVF_EIMC = 0x1528,
	IGBVF_EIAC = 0x152c,
	IGBVF_EIAM = 0x1530,
	IGBVF_EICR = 0x1580,
	IGBVF_EITR = 0x1680,
	IGBVF_IVAR = 0x1700,
	IGBVF_IVAR_MISC = 0x1740,
};

#endif
