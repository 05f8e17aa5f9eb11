/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions: resets, mailboxes, pools, and the switch between the functions of a card. */
#include <linux/pci_regs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/igb/igb.h"
#include "models/igb/testdrv.h"
#include "pci/sriov.h"

#define PF_POOL 2 /* behind those of two VFs */

static char dir[] = "/tmp/uvfio-igb-XXXXXX", dir_option[64];
static struct pci_dev *vf[2];
static struct drv_frame *frame;
static unsigned int driver_calls;

static uint32_t vf_get(unsigned int n, uint32_t reg)
{
	return (uint32_t)pci_bar_read(vf[n], 0, reg, 4);
}

static void vf_set(unsigned int n, uint32_t reg, uint32_t value)
{
	pci_bar_write(vf[n], 0, reg, 4, value);
}

static void setup(void)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(dir_option, sizeof(dir_option), "net-dir=%s", dir);
	drv_start_with((const char *const[]){ dir_option, NULL });
	pci_config_write(drv_dev, drv_dev->sriov_cap + PCI_SRIOV_NUM_VF, 2, 2);
	pci_config_write(drv_dev, drv_dev->sriov_cap + PCI_SRIOV_CTRL, 2,
			 PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	ck_assert_uint_eq(drv_get(IGB_STATUS) & (IGB_STATUS_IOV | 15u << 14),
			  IGB_STATUS_IOV | 2u << 14);
	for (unsigned int i = 0; i < 2; i++)
		vf[i] = drv_plug_vf(i);
	frame = drv_alloc(sizeof(*frame));
	drv_make(frame, false, true, 200);
}

static void teardown(void)
{
	char command[128];

	drv_stop();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* ---- resets and mailboxes -------------------------------------------------------------------- */

START_TEST(resets)
{
	/* The PF is not ready, then it is; RSTD goes with the read. */
	ck_assert_uint_eq(vf_get(0, IGBVF_V2PMAILBOX), IGB_V2P_RSTI);
	ck_assert_uint_eq(drv_get(IGB_VFLRE), 3);
	drv_set(IGB_VFLRE, 3);
	ck_assert_uint_eq(drv_get(IGB_VFLRE), 0);
	drv_set(IGB_CTRL_EXT, IGB_CTRL_EXT_PFRSTD);
	ck_assert_uint_eq(vf_get(0, IGBVF_V2PMAILBOX), IGB_V2P_RSTD);
	ck_assert_uint_eq(vf_get(0, IGBVF_V2PMAILBOX), 0);
	/* A VF's reset takes its enables away and is told. */
	drv_set(IGB_VFRE, 0xff);
	drv_set(IGB_VFTE, 0xff);
	vf_set(1, IGBVF_VTCTRL, BIT(26));
	ck_assert_uint_eq(drv_get(IGB_VFLRE), 2);
	ck_assert_uint_eq(drv_get(IGB_VFRE), 0xfd);
	ck_assert_uint_eq(drv_get(IGB_VFTE), 0xfd);
	ck_assert_uint_eq(vf_get(1, IGBVF_V2PMAILBOX), IGB_V2P_RSTD);
	/* The PF's reset is seen by all. */
	drv_set(IGB_CTRL, drv_get(IGB_CTRL) | IGB_CTRL_RST);
	ck_assert_uint_eq(vf_get(0, IGBVF_V2PMAILBOX), IGB_V2P_RSTI);
}
END_TEST

START_TEST(mailbox)
{
	drv_set(IGB_CTRL_EXT, IGB_CTRL_EXT_PFRSTD);
	vf_get(1, IGBVF_V2PMAILBOX);
	vf_set(1, IGBVF_V2PMAILBOX, IGB_V2P_VFU);
	ck_assert_uint_eq(vf_get(1, IGBVF_V2PMAILBOX), IGB_V2P_VFU);
	ck_assert_uint_eq(drv_get(IGB_P2VMAILBOX + 4), IGB_P2V_VFU);
	/* The buffer is taken. */
	drv_set(IGB_P2VMAILBOX + 4, IGB_P2V_PFU);
	ck_assert_uint_eq(drv_get(IGB_P2VMAILBOX + 4), IGB_P2V_VFU);
	vf_set(1, IGBVF_VMBMEM, 0x12345678);
	vf_set(1, IGBVF_VMBMEM + 60, 0x9abcdef0);
	vf_set(1, IGBVF_V2PMAILBOX, IGB_V2P_REQ);
	ck_assert_uint_eq(drv_get(IGB_MBVFICR), 2);
	ck_assert_uint_eq(drv_get(IGB_VMBMEM + 64), 0x12345678);
	ck_assert_uint_eq(drv_get(IGB_VMBMEM + 64 + 60), 0x9abcdef0);
	drv_set(IGB_MBVFICR, 2);
	ck_assert_uint_eq(drv_get(IGB_MBVFICR), 0);
	/* And back. */
	drv_set(IGB_P2VMAILBOX + 4, IGB_P2V_PFU);
	drv_set(IGB_VMBMEM + 64, 0x80000001);
	drv_set(IGB_P2VMAILBOX + 4, IGB_P2V_STS | IGB_P2V_ACK);
	ck_assert_uint_eq(vf_get(0, IGBVF_V2PMAILBOX) & IGB_V2P_PFSTS, 0);
	ck_assert_uint_eq(vf_get(1, IGBVF_V2PMAILBOX), IGB_V2P_PFSTS | IGB_V2P_PFACK);
	ck_assert_uint_eq(vf_get(1, IGBVF_V2PMAILBOX), 0);
	ck_assert_uint_eq(vf_get(1, IGBVF_VMBMEM), 0x80000001);
	vf_set(1, IGBVF_V2PMAILBOX, IGB_V2P_ACK);
	ck_assert_uint_eq(drv_get(IGB_MBVFICR), 2u << 16);
}
END_TEST

/* The PF is interrupted by a VF, and a VF by the PF. */
START_TEST(interrupts)
{
	drv_set(IGB_CTRL_EXT, IGB_CTRL_EXT_PFRSTD);
	drv_get(IGB_ICR);
	vf_set(0, IGBVF_V2PMAILBOX, IGB_V2P_REQ);
	while (!(drv_get(IGB_ICR) & IGB_ICR_VMMB))
		sched_yield();
	vf_set(0, IGBVF_IVAR_MISC, 0x82);
	vf_get(0, IGBVF_EICR);
	drv_set(IGB_P2VMAILBOX, IGB_P2V_STS);
	while (!(vf_get(0, IGBVF_EICR) & 4))
		sched_yield();
}
END_TEST

static void driver(struct pci_dev *pf)
{
	driver_calls++;
	ck_assert_ptr_eq(pf, drv_dev);
	igb_pf_write(pf, IGB_VFLRE, igb_pf_read(pf, IGB_VFLRE));
}

/* The host's driver hears of a VF's doings at once. */
START_TEST(host_driver)
{
	igb_pf_set_driver(driver);
	ck_assert_ptr_nonnull(igb_pf_driver_state(drv_dev));
	vf_set(0, IGBVF_VTCTRL, BIT(26));
	ck_assert_uint_eq(driver_calls, 1);
	ck_assert_uint_eq(drv_get(IGB_VFLRE), 0);
	vf_set(0, IGBVF_V2PMAILBOX, IGB_V2P_REQ);
	ck_assert_uint_eq(driver_calls, 2);
	igb_pf_set_driver(NULL);
}
END_TEST

/* ---- the switch ------------------------------------------------------------------------------ */

struct vf_queue {
	struct igb_desc *ring;
	uint8_t *buffer;
	unsigned int tail;
};

static struct vf_queue vf_tx[2], vf_rx[2];

static void vf_ring(unsigned int n, uint32_t base, struct vf_queue *q)
{
	q->ring = drv_alloc(DRV_RING * IGB_DESC_SIZE);
	q->tail = 0;
	vf_set(n, base + IGB_Q_BAL, (uint32_t)drv_iova(q->ring));
	vf_set(n, base + IGB_Q_BAH, (uint32_t)(drv_iova(q->ring) >> 32));
	vf_set(n, base + IGB_Q_LEN, DRV_RING * IGB_DESC_SIZE);
}

static void vf_queues(unsigned int n)
{
	vf_ring(n, IGB_TXQ_ALIAS, &vf_tx[n]);
	vf_set(n, IGB_TXQ_ALIAS + IGB_Q_DCTL, IGB_DCTL_ENABLE);
	vf_ring(n, IGB_RXQ_ALIAS, &vf_rx[n]);
	vf_rx[n].buffer = drv_alloc(16 * 2048);
	for (unsigned int i = 0; i < 16; i++)
		vf_rx[n].ring[i].addr = drv_iova(vf_rx[n].buffer + 2048 * i);
	vf_set(n, IGB_RXQ_ALIAS + IGB_Q_SRRCTL, 1u << 25 | 2);
	vf_set(n, IGB_RXQ_ALIAS + IGB_Q_DCTL, IGB_DCTL_ENABLE);
	vf_set(n, IGB_RXQ_ALIAS + IGB_Q_TAIL, 16);
}

static void vf_send(unsigned int n)
{
	struct vf_queue *q = &vf_tx[n];

	q->ring[q->tail++] = drv_data(frame->data, frame->len, 0, 0);
	vf_set(n, IGB_TXQ_ALIAS + IGB_Q_TAIL, q->tail);
	while (vf_get(n, IGB_TXQ_ALIAS + IGB_Q_HEAD) != q->tail)
		sched_yield();
}

static void address(unsigned int rar, const uint8_t *mac, unsigned int pool)
{
	uint32_t low, high = 0;

	memcpy(&low, mac, 4);
	memcpy(&high, mac + 4, 2);
	drv_set(IGB_RA + 8 * rar, low);
	drv_set(IGB_RA + 8 * rar + 4, high | BIT(18 + pool) | IGB_RAH_AV);
}

static const uint8_t macs[3][6] = { { 2, 0, 0, 0, 0, 0x10 },
				    { 2, 0, 0, 0, 0, 0x11 },
				    { 2, 0, 0, 0, 0, 0x1f } };

/* Two VFs and the PF in pools of their own, and what is inside stays inside. */
static void switch_on(void)
{
	drv_set(IGB_CTRL_EXT, IGB_CTRL_EXT_PFRSTD);
	drv_set(IGB_MRQC, IGB_MRQC_VMDQ);
	drv_set(IGB_VT_CTL, IGB_VT_CTL_REPL_EN | PF_POOL << 7);
	drv_set(IGB_DTXSWC, IGB_DTXSWC_LOOPBACK_EN);
	drv_set(IGB_VFRE, 0xff);
	drv_set(IGB_VFTE, 0xff);
	for (unsigned int i = 0; i < 3; i++) {
		address(i, macs[i], i);
		drv_set(IGB_VMOLR + 4 * i, IGB_VMOLR_STRCRC | IGB_VMOLR_AUPE | IGB_VMOLR_BAM);
	}
	for (unsigned int i = 0; i < 2; i++)
		vf_queues(i);
	drv_tx_queue(PF_POOL);
	drv_rx_queue(PF_POOL, 1u << 25 | 2, 16);
}

/* VF @n has received @count frames so far, the last of them the one in `frame`, from inside. */
static void vf_expect(unsigned int n, unsigned int count)
{
	const struct igb_desc *d = &vf_rx[n].ring[count - 1];

	while (vf_get(n, IGB_RXQ_ALIAS + IGB_Q_HEAD) != count)
		sched_yield();
	ck_assert_uint_eq(drv_len(d), frame->len);
	ck_assert_uint_eq(drv_status(d) & (IGB_RXD_DD | IGB_RXD_EOP | IGB_RXD_LB),
			  IGB_RXD_DD | IGB_RXD_EOP | IGB_RXD_LB);
	ck_assert_mem_eq(vf_rx[n].buffer + 2048 * (count - 1), frame->data, frame->len);
}

static void from_to(const uint8_t *from, const uint8_t *to)
{
	memcpy(frame->data, to, 6);
	memcpy(frame->data + 6, from, 6);
}

START_TEST(switched)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	switch_on();
	from_to(macs[0], macs[1]);
	vf_send(0);
	vf_expect(1, 1);
	from_to(macs[1], macs[0]);
	vf_send(1);
	vf_expect(0, 1);
	from_to(macs[0], macs[2]);
	vf_send(0);
	while (!drv_received(PF_POOL))
		sched_yield();
	ck_assert_mem_eq(drv_rx_data(PF_POOL), frame->data, frame->len);
	from_to(macs[2], macs[1]);
	drv_send(PF_POOL, frame->data, frame->len, 0, 0);
	vf_expect(1, 2);
	ck_assert_uint_eq(vf_get(0, IGB_RXQ_ALIAS + IGB_Q_HEAD), 1);
	ck_assert_uint_eq(vf_get(1, IGBVF_GPRLBC), 2);
	ck_assert_uint_eq(vf_get(0, IGBVF_GPTLBC), 2);
	ck_assert_uint_eq(vf_get(0, IGBVF_GPRC), 0);
	ck_assert_uint_eq(drv_get(IGB_PFVF_STATS + 0x100 + 0x30), 2);
	/* Without a cable the copy for the wire is lost, those inside are not. */
	from_to(macs[0], all);
	vf_send(0);
	vf_expect(1, 3);
	while (!drv_received(PF_POOL))
		sched_yield();
	ck_assert_uint_eq(vf_get(0, IGB_RXQ_ALIAS + IGB_Q_HEAD), 1);
}
END_TEST

/* 7.10.3.9: a wrong source address, a wrong tag. */
START_TEST(spoofed)
{
	switch_on();
	drv_set(IGB_DTXSWC, IGB_DTXSWC_LOOPBACK_EN | 1 | 1 << 8);
	from_to(macs[1], macs[1]);
	vf_send(0);
	ck_assert_uint_eq(drv_get(IGB_SSVPC), 1);
	ck_assert_uint_eq(drv_get(IGB_SSVPC), 0);
	from_to(macs[0], macs[1]);
	vf_send(0);
	vf_expect(1, 1);
	drv_tag(frame, 5);
	vf_send(0);
	ck_assert_uint_eq(drv_get(IGB_SSVPC), 1);
	drv_set(IGB_VLVF, 5 | 1 << 12 | IGB_VLVF_ENABLE);
	vf_send(0);
	ck_assert_uint_eq(drv_get(IGB_SSVPC), 0);
}
END_TEST

/* VFTE and VFRE. */
START_TEST(enables)
{
	switch_on();
	drv_set(IGB_VFTE, 2);
	from_to(macs[0], macs[1]);
	while (vf_get(0, IGB_TXQ_ALIAS + IGB_Q_DCTL) & IGB_DCTL_ENABLE)
		sched_yield();
	vf_tx[0].ring[0] = drv_data(frame->data, frame->len, 0, 0);
	vf_set(0, IGB_TXQ_ALIAS + IGB_Q_TAIL, 1);
	ck_assert_uint_eq(vf_get(0, IGB_TXQ_ALIAS + IGB_Q_HEAD), 0);
	drv_set(IGB_VFTE, 3);
	vf_expect(1, 1);
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("virtual functions") };

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], resets);
	tcase_add_test(cases[0], mailbox);
	tcase_add_test(cases[0], interrupts);
	tcase_add_test(cases[0], host_driver);
	tcase_add_test(cases[0], switched);
	tcase_add_test(cases[0], spoofed);
	tcase_add_test(cases[0], enables);
	tcase_set_timeout(cases[0], 60);
	return drv_main("igb_vf", cases, ARRAY_SIZE(cases));
}
