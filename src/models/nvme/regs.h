/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's registers, queue entries and data structures: NVM Express Base Specification,
 * revision 1.4. Names follow the specification. All fields are little-endian, as the host is.
 */
#ifndef MODELS_NVME_REGS_H
#define MODELS_NVME_REGS_H

#include "base/types.h"

/* A structure that crosses the bus: its size is what the specification's figure says. */
#define NVME_WIRE_SIZE(type, size) \
	_Static_assert(sizeof(struct type) == (size), #type " has the wrong size")
#define NVME_WIRE_FIELD(type, field, off) \
	_Static_assert(offsetof(struct type, field) == (off), #type "." #field " is misplaced")

/* ---- registers (3.1) ------------------------------------------------------------------------ */

enum nvme_reg {
	NVME_REG_CAP = 0x00,
	NVME_REG_VS = 0x08,
	NVME_REG_INTMS = 0x0c,
	NVME_REG_INTMC = 0x10,
	NVME_REG_CC = 0x14,
	NVME_REG_CSTS = 0x1c,
	NVME_REG_NSSR = 0x20,
	NVME_REG_AQA = 0x24,
	NVME_REG_ASQ = 0x28,
	NVME_REG_ACQ = 0x30,
	NVME_REG_DBS = 0x1000,
};

#define NVME_VS_1_4 0x00010400u

/* CAP (3.1.1). */
#define NVME_CAP_MQES(n)   ((uint64_t)(n))
#define NVME_CAP_CQR	   BIT_ULL(16)
#define NVME_CAP_TO(n)	   ((uint64_t)(n) << 24)
#define NVME_CAP_CSS_NVM   BIT_ULL(37)
#define NVME_CAP_MPSMAX(n) ((uint64_t)(n) << 52)

/* CC (3.1.5). */
#define NVME_CC_EN	  BIT(0)
#define NVME_CC_CSS(v)	  (((v) >> 4) & 7)
#define NVME_CC_MPS(v)	  (((v) >> 7) & 15)
#define NVME_CC_AMS(v)	  (((v) >> 11) & 7)
#define NVME_CC_SHN(v)	  (((v) >> 14) & 3)
#define NVME_CC_IOSQES(v) (((v) >> 16) & 15)
#define NVME_CC_IOCQES(v) (((v) >> 20) & 15)
#define NVME_CC_MASK	  0x00fffff1u

/* CSTS (3.1.6). */
#define NVME_CSTS_RDY		BIT(0)
#define NVME_CSTS_CFS		BIT(1)
#define NVME_CSTS_SHST_MASK	(3u << 2)
#define NVME_CSTS_SHST_OCCURING (1u << 2)
#define NVME_CSTS_SHST_COMPLETE (2u << 2)

/* AQA (3.1.8). */
#define NVME_AQA_ASQS(v) ((v)&0xfff)
#define NVME_AQA_ACQS(v) (((v) >> 16) & 0xfff)
#define NVME_AQA_MASK	 0x0fff0fffu

/* ---- queue entries (4.2, 4.6) --------------------------------------------------------------- */

/* A scatter gather list descriptor (4.4). */
struct nvme_sgl {
	uint64_t addr;
	uint32_t len;
	uint8_t rsvd[3];
	uint8_t id; /* 7:4 type, 3:0 sub type */
};
NVME_WIRE_SIZE(nvme_sgl, 16);
NVME_WIRE_FIELD(nvme_sgl, id, 15);

enum nvme_sgl_type {
	NVME_SGL_DATA_BLOCK = 0,
	NVME_SGL_BIT_BUCKET = 1,
	NVME_SGL_SEGMENT = 2,
	NVME_SGL_LAST_SEGMENT = 3,
};

struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags; /* 1:0 FUSE, 7:6 PSDT */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	union {
		struct {
			uint64_t prp1, prp2;
		};
		struct nvme_sgl sgl1;
	};
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
NVME_WIRE_SIZE(nvme_sqe, 64);
NVME_WIRE_FIELD(nvme_sqe, prp1, 24);
NVME_WIRE_FIELD(nvme_sqe, cdw10, 40);

#define NVME_SQE_SHIFT	     6
#define NVME_CQE_SHIFT	     4
#define NVME_SQE_FUSE(flags) ((flags)&3)
#define NVME_SQE_PSDT(flags) ((flags) >> 6)

struct nvme_cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid, cid;
	uint16_t status; /* bit 0: phase tag */
};
NVME_WIRE_SIZE(nvme_cqe, 16);

/* ---- status (4.6.1): type << 8 | code, as it stands in bits 14:1 of the entry's status word - */

#define NVME_SC_MORE 0x2000u
#define NVME_SC_DNR  0x4000u

enum nvme_status {
	/* Generic command status (4.6.1.2.1). */
	NVME_SC_SUCCESS = 0x000,
	NVME_SC_INVALID_OPCODE = 0x001,
	NVME_SC_INVALID_FIELD = 0x002,
	NVME_SC_CID_CONFLICT = 0x003,
	NVME_SC_DATA_XFER = 0x004,
	NVME_SC_INTERNAL = 0x006,
	NVME_SC_ABORTED_BY_REQUEST = 0x007,
	NVME_SC_ABORTED_SQ_DELETED = 0x008,
	NVME_SC_INVALID_NS_OR_FORMAT = 0x00b,
	NVME_SC_COMMAND_SEQUENCE = 0x00c,
	NVME_SC_INVALID_SGL_SEGMENT = 0x00d,
	NVME_SC_INVALID_SGL_COUNT = 0x00e,
	NVME_SC_SGL_LENGTH = 0x00f,
	NVME_SC_SGL_TYPE = 0x011,
	NVME_SC_INVALID_PRP_OFFSET = 0x013,
	NVME_SC_LBA_RANGE = 0x080,
	/* Command specific status (4.6.1.2.2). */
	NVME_SC_CQ_INVALID = 0x100,
	NVME_SC_INVALID_QID = 0x101,
	NVME_SC_INVALID_QUEUE_SIZE = 0x102,
	NVME_SC_ABORT_LIMIT = 0x103,
	NVME_SC_AER_LIMIT = 0x105,
	NVME_SC_INVALID_VECTOR = 0x108,
	NVME_SC_INVALID_LOG_PAGE = 0x109,
	NVME_SC_INVALID_FORMAT = 0x10a,
	NVME_SC_INVALID_QUEUE_DELETION = 0x10c,
	NVME_SC_INVALID_CONTROLLER = 0x11f,
	NVME_SC_INVALID_SECONDARY_STATE = 0x120,
	NVME_SC_INVALID_RESOURCES = 0x121,
	NVME_SC_INVALID_RESOURCE_ID = 0x122,
	NVME_SC_FEATURE_NOT_SAVEABLE = 0x10d,
	NVME_SC_FEATURE_NOT_CHANGEABLE = 0x10e,
	NVME_SC_FEATURE_NOT_NS_SPECIFIC = 0x10f,
	/* Media and data integrity errors (4.6.1.2.3). */
	NVME_SC_WRITE_FAULT = 0x280,
	NVME_SC_UNRECOVERED_READ = 0x281,
	NVME_SC_COMPARE_FAILED = 0x285,
};

/* ---- commands (5, 6) ------------------------------------------------------------------------ */

enum nvme_admin_opcode {
	NVME_ADM_DELETE_SQ = 0x00,
	NVME_ADM_CREATE_SQ = 0x01,
	NVME_ADM_GET_LOG_PAGE = 0x02,
	NVME_ADM_DELETE_CQ = 0x04,
	NVME_ADM_CREATE_CQ = 0x05,
	NVME_ADM_IDENTIFY = 0x06,
	NVME_ADM_ABORT = 0x08,
	NVME_ADM_SET_FEATURES = 0x09,
	NVME_ADM_GET_FEATURES = 0x0a,
	NVME_ADM_ASYNC_EVENT = 0x0c,
	NVME_ADM_VIRT_MANAGEMENT = 0x1c,
	NVME_ADM_FORMAT = 0x80,
};

enum nvme_io_opcode {
	NVME_IO_FLUSH = 0x00,
	NVME_IO_WRITE = 0x01,
	NVME_IO_READ = 0x02,
	NVME_IO_COMPARE = 0x05,
	NVME_IO_WRITE_ZEROES = 0x08,
	NVME_IO_DSM = 0x09,
	NVME_IO_VERIFY = 0x0c,
};

#define NVME_NSID_ALL 0xffffffffu

/* CDW12 of Read, Write and relatives (6.9, 6.14, 6.15). */
#define NVME_RW_NLB(cdw12) (((cdw12)&0xffff) + 1)
#define NVME_RW_DEAC	   BIT(25)
#define NVME_RW_FUA	   BIT(30)

/* Dataset Management (6.7). */
struct nvme_dsm_range {
	uint32_t attributes, nlb;
	uint64_t slba;
};
NVME_WIRE_SIZE(nvme_dsm_range, 16);
#define NVME_DSM_AD BIT(2)

enum nvme_feature_id {
	NVME_FEAT_ARBITRATION = 0x01,
	NVME_FEAT_POWER = 0x02,
	NVME_FEAT_TEMPERATURE = 0x04,
	NVME_FEAT_ERROR_RECOVERY = 0x05,
	NVME_FEAT_WRITE_CACHE = 0x06,
	NVME_FEAT_QUEUES = 0x07,
	NVME_FEAT_COALESCING = 0x08,
	NVME_FEAT_VECTOR_CONFIG = 0x09,
	NVME_FEAT_WRITE_ATOMICITY = 0x0a,
	NVME_FEAT_ASYNC_EVENT = 0x0b,
	NVME_FEAT_TIMESTAMP = 0x0e,
};

enum nvme_log_id {
	NVME_LOG_ERROR = 0x01,
	NVME_LOG_SMART = 0x02,
	NVME_LOG_FIRMWARE = 0x03,
	NVME_LOG_CHANGED_NS = 0x04,
	NVME_LOG_EFFECTS = 0x05,
};

/* Asynchronous events (5.2): type in bits 2:0, information in 15:8, log page in 23:16 of dword
 * 0. */
enum nvme_event_type {
	NVME_EVENT_ERROR = 0,
	NVME_EVENT_SMART = 1,
	NVME_EVENT_NOTICE = 2,
	NVME_EVENT_TYPES = 3,
};
#define NVME_EVENT_INFO_DB_REGISTER 0x00 /* error: doorbell of a queue that does not exist */
#define NVME_EVENT_INFO_DB_VALUE    0x01 /* error: invalid doorbell value */
#define NVME_EVENT_INFO_TEMPERATURE 0x01 /* SMART: temperature threshold */
#define NVME_EVENT_INFO_NS_CHANGED  0x00 /* notice: namespace attribute changed */

/* ---- log pages (5.14.1) --------------------------------------------------------------------- */

struct nvme_error_entry {
	uint64_t error_count;
	uint16_t sqid, cid, status, param_location;
	uint64_t lba;
	uint32_t nsid;
	uint8_t vendor_info, trtype;
	uint8_t rsvd30[2];
	uint64_t command_info;
	uint16_t trtype_info;
	uint8_t rsvd42[22];
};
NVME_WIRE_SIZE(nvme_error_entry, 64);
NVME_WIRE_FIELD(nvme_error_entry, nsid, 24);

/* Counters of 16 bytes: the upper half is never reached. */
struct nvme_smart_log {
	uint8_t critical_warning;
	uint8_t temperature[2]; /* kelvin */
	uint8_t avail_spare, spare_threshold, percent_used, endurance_warning;
	uint8_t rsvd7[25];
	uint64_t data_units_read[2], data_units_written[2]; /* 1000 * 512 bytes, rounded up */
	uint64_t host_reads[2], host_writes[2];
	uint64_t busy_minutes[2];
	uint64_t power_cycles[2], power_on_hours[2], unsafe_shutdowns[2];
	uint64_t media_errors[2], error_entries[2];
	uint32_t warning_minutes, critical_minutes;
	uint16_t temperature_sensor[8];
	uint8_t rsvd216[296];
};
NVME_WIRE_SIZE(nvme_smart_log, 512);
NVME_WIRE_FIELD(nvme_smart_log, data_units_read, 32);
NVME_WIRE_FIELD(nvme_smart_log, temperature_sensor, 200);

#define NVME_SMART_WARN_TEMPERATURE BIT(1)

struct nvme_firmware_log {
	uint8_t afi, rsvd1[7];
	char revision[7][8];
	uint8_t rsvd64[448];
};
NVME_WIRE_SIZE(nvme_firmware_log, 512);

struct nvme_effects_log {
	uint32_t admin[256], io[256];
	uint8_t rsvd2048[2048];
};
NVME_WIRE_SIZE(nvme_effects_log, 4096);

#define NVME_EFFECT_CSUPP BIT(0)
#define NVME_EFFECT_LBCC  BIT(1)
#define NVME_EFFECT_NCC	  BIT(2)

/* ---- Identify (5.15) ------------------------------------------------------------------------ */

enum nvme_cns {
	NVME_CNS_NS = 0x00,
	NVME_CNS_CTRL = 0x01,
	NVME_CNS_ACTIVE_NS = 0x02,
	NVME_CNS_NS_DESCRIPTORS = 0x03,
	NVME_CNS_ALLOCATED_NS = 0x10,
	NVME_CNS_ALLOCATED_NS_DATA = 0x11,
	NVME_CNS_NS_CONTROLLERS = 0x12,
	NVME_CNS_CONTROLLERS = 0x13,
	NVME_CNS_PRIMARY = 0x14,
	NVME_CNS_SECONDARY = 0x15,
};

struct nvme_power_state {
	uint16_t mp;
	uint8_t rsvd2, flags;
	uint32_t enlat, exlat;
	uint8_t rrt, rrl, rwt, rwl;
	uint8_t rest[16];
};
NVME_WIRE_SIZE(nvme_power_state, 32);

/* Identify Controller (Figure 247). */
struct nvme_id_ctrl {
	uint16_t vid, ssvid;
	char sn[20], mn[40], fr[8];
	uint8_t rab, ieee[3], cmic, mdts;
	uint16_t cntlid;
	uint32_t ver, rtd3r, rtd3e, oaes, ctratt;
	uint16_t rrls;
	uint8_t rsvd102[9], cntrltype, fguid[16];
	uint16_t crdt[3];
	uint8_t rsvd134[122];
	uint16_t oacs; /* 256 */
	uint8_t acl, aerl, frmw, lpa, elpe, npss, avscc, apsta;
	uint16_t wctemp, cctemp, mtfa;
	uint32_t hmpre, hmmin;
	uint64_t tnvmcap[2], unvmcap[2];
	uint32_t rpmbs;
	uint16_t edstt;
	uint8_t dsto, fwug;
	uint16_t kas, hctma, mntmt, mxtmt;
	uint32_t sanicap, hmminds;
	uint16_t hmmaxd, nsetidmax, endgidmax;
	uint8_t anatt, anacap;
	uint32_t anagrpmax, nanagrpid, pels;
	uint8_t rsvd356[156];
	uint8_t sqes, cqes; /* 512 */
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs, fuses;
	uint8_t fna, vwc;
	uint16_t awun, awupf;
	uint8_t nvscc, nwpc;
	uint16_t acwu, rsvd534;
	uint32_t sgls, mnan;
	uint8_t rsvd544[224];
	char subnqn[256]; /* 768 */
	uint8_t rsvd1024[1024];
	struct nvme_power_state psd[32]; /* 2048 */
	uint8_t vs[1024];
};
NVME_WIRE_SIZE(nvme_id_ctrl, 4096);
NVME_WIRE_FIELD(nvme_id_ctrl, ver, 80);
NVME_WIRE_FIELD(nvme_id_ctrl, cntrltype, 111);
NVME_WIRE_FIELD(nvme_id_ctrl, oacs, 256);
NVME_WIRE_FIELD(nvme_id_ctrl, tnvmcap, 280);
NVME_WIRE_FIELD(nvme_id_ctrl, kas, 320);
NVME_WIRE_FIELD(nvme_id_ctrl, sqes, 512);
NVME_WIRE_FIELD(nvme_id_ctrl, sgls, 536);
NVME_WIRE_FIELD(nvme_id_ctrl, subnqn, 768);
NVME_WIRE_FIELD(nvme_id_ctrl, psd, 2048);

#define NVME_OAES_NS_ATTR      BIT(8)
#define NVME_OACS_FORMAT       BIT(1)
#define NVME_OACS_VIRT	       BIT(7)
#define NVME_CMIC_CONTROLLERS  BIT(1) /* the subsystem may have several */
#define NVME_CMIC_VF	       BIT(2)
#define NVME_NMIC_SHARED       BIT(0)
#define NVME_LPA_EFFECTS       BIT(1)
#define NVME_LPA_EXTENDED      BIT(2)
#define NVME_ONCS_COMPARE      BIT(0)
#define NVME_ONCS_DSM	       BIT(2)
#define NVME_ONCS_WRITE_ZEROES BIT(3)
#define NVME_ONCS_SAVE_SELECT  BIT(4)
#define NVME_ONCS_TIMESTAMP    BIT(6)
#define NVME_ONCS_VERIFY       BIT(7)
#define NVME_VWC_PRESENT       BIT(0)
#define NVME_VWC_FLUSH_ALL     (3u << 1)
#define NVME_SGLS_SUPPORTED    1u
#define NVME_SGLS_BIT_BUCKET   BIT(16)

/* Primary Controller Capabilities (Figure 249): for each type of resources the flexible ones in
 * all, of secondary controllers, of the primary one; its private ones; at most for one, and in
 * steps. */
struct nvme_id_resource {
	uint32_t frt, rfa;
	uint16_t rfap, prt, frsm, gran;
	uint8_t rsvd16[16];
};
NVME_WIRE_SIZE(nvme_id_resource, 32);

struct nvme_id_primary {
	uint16_t cntlid, portid;
	uint8_t crt, rsvd5[27];
	struct nvme_id_resource res[2];
	uint8_t rsvd96[4000];
};
NVME_WIRE_SIZE(nvme_id_primary, 4096);

/* Secondary Controller List (Figure 250). */
struct nvme_id_secondary {
	uint16_t scid, pcid;
	uint8_t scs, rsvd5[3];
	uint16_t vfn, nvq, nvi;
	uint8_t rsvd14[18];
};
NVME_WIRE_SIZE(nvme_id_secondary, 32);

struct nvme_id_secondary_list {
	uint8_t num, rsvd1[31];
	struct nvme_id_secondary entry[127];
};
NVME_WIRE_SIZE(nvme_id_secondary_list, 4096);

struct nvme_lbaf {
	uint16_t ms;
	uint8_t lbads, rp;
};
NVME_WIRE_SIZE(nvme_lbaf, 4);

/* Identify Namespace (Figure 245). */
struct nvme_id_ns {
	uint64_t nsze, ncap, nuse;
	uint8_t nsfeat, nlbaf, flbas, mc, dpc, dps, nmic, rescap, fpi, dlfeat;
	uint16_t nawun, nawupf, nacwu, nabsn, nabo, nabspf, noiob;
	uint64_t nvmcap[2];
	uint16_t npwg, npwa, npdg, npda, nows;
	uint8_t rsvd74[18];
	uint32_t anagrpid;
	uint8_t rsvd96[3], nsattr;
	uint16_t nvmsetid, endgid;
	uint8_t nguid[16], eui64[8];
	struct nvme_lbaf lbaf[16];
	uint8_t rsvd192[192], vs[3712];
};
NVME_WIRE_SIZE(nvme_id_ns, 4096);
NVME_WIRE_FIELD(nvme_id_ns, nvmcap, 48);
NVME_WIRE_FIELD(nvme_id_ns, nguid, 104);
NVME_WIRE_FIELD(nvme_id_ns, lbaf, 128);

#define NVME_DLFEAT_ZEROES BIT(0) /* deallocated blocks read as zeroes */
#define NVME_DLFEAT_DEAC   BIT(3) /* Write Zeroes may deallocate */

enum nvme_ns_descriptor { NVME_NIDT_EUI64 = 1, NVME_NIDT_NGUID = 2, NVME_NIDT_UUID = 3 };

#endif
