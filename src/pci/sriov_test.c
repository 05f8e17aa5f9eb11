/* SPDX-License-Identifier: BSD-3-Clause */
/* A small model with virtual functions: the capability's rules, VFs as functions, bells, what the
 * host shows and refuses. Also the smallest example of pci/sriov.h's contract. */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/testing.h"
#include "file/file.h"
#include "pci/bus.h"
#include "pci/model.h"
#include "pci/pci_priv.h"
#include "pci/sriov.h"

#define TOTAL 6

/* ---- the model: a PF whose VFs each have a mailbox in what they share ------------------------ */

struct mailbox_shared {
	_Atomic uint32_t mail[TOTAL]; /* VF to PF */
	_Atomic uint32_t enabled;
};

static _Atomic unsigned int pf_looked, vf_looked, vf_resets, vf_live;

static void vf_destroy(struct pci_dev *vf)
{
	vf_live--;
}

static int vf_create(struct pci_dev *vf, const struct model_config *config, char *err,
		     size_t err_size)
{
	int ret = pci_add_pcie_endpoint_cap(vf);

	pci_bar_declare(vf, 0, 0, 0x1000, PAGE_TRAP_WRITE);
	if (ret >= 0)
		ret = pci_add_msix_cap(vf, 3, 0, 0x2000, 0x3000);
	if (ret >= 0)
		ret = pci_add_ari_cap(vf, 0);
	vf_live += ret >= 0;
	return MIN(ret, 0);
}

static void vf_reset(struct pci_dev *vf)
{
	vf_resets++;
}

static uint64_t vf_bar_read(struct pci_dev *vf, unsigned int bar, uint64_t off, unsigned int width)
{
	return vf->vf_index + 0x100;
}

static void vf_bar_write(struct pci_dev *vf, unsigned int bar, uint64_t off, unsigned int width,
			 uint64_t value)
{
	struct mailbox_shared *shared = vf->physfn->shared;

	shared->mail[vf->vf_index] = (uint32_t)value;
	pci_ring(vf->physfn);
}

static void vf_notified(struct pci_dev *vf)
{
	vf_looked++;
}

static const struct pci_model vf_model = {
	.name = "mailbox-vf",
	.create = vf_create,
	.destroy = vf_destroy,
	.reset = vf_reset,
	.bar_read = vf_bar_read,
	.bar_write = vf_bar_write,
	.notified = vf_notified,
};

static const struct pci_sriov sriov = {
	.total_vfs = TOTAL,
	.offset = 128,
	.stride = 2,
	.vf_device = 0x10ca,
	.bar = { [0] = { 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH } },
	.vf_model = &vf_model,
};

static void pf_notified(struct pci_dev *pf)
{
	pf_looked++;
}

static void vfs_changed(struct pci_dev *pf, unsigned int num)
{
	struct mailbox_shared *shared = pf->shared;

	if (shared)
		shared->enabled = num;
}

static const struct pci_model pf_model = {
	.name = "mailbox",
	.shared_size = sizeof(struct mailbox_shared),
	.vfs_changed = vfs_changed,
	.notified = pf_notified,
};

/* ---- the surroundings ------------------------------------------------------------------------ */

static struct device_core *core;
static struct pci_bus *bus;
static struct pci_dev *port, *pf, *vfs[TOTAL];
static void *piece;

static int add_vfs(void *arg, struct pci_dev *dev, unsigned int num)
{
	char err[128];

	for (unsigned int i = 0; i < num; i++) {
		ck_assert_int_eq(pci_vf_create(dev, i, NULL, &vfs[i], err, sizeof(err)), 0);
		ck_assert_int_eq(pci_bus_add_device(bus, vfs[i], port, NULL), 0);
	}
	return 0;
}

static void remove_vfs(void *arg, struct pci_dev *dev)
{
	for (unsigned int i = 0; i < pci_num_vf(dev); i++) {
		device_del(&vfs[i]->dev);
		vfs[i] = NULL;
	}
	pci_sriov_disabled(dev);
}

static int configure(struct pci_dev *dev, unsigned int num)
{
	if (num)
		return pci_enable_sriov(dev, num);
	pci_disable_sriov(dev);
	return 0;
}

static const struct pci_device_id pf_ids[] = {
	{ .vendor = 0x8086, .device = 0x10c9, .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID },
	{ 0 },
};
static const struct pci_device_id vf_ids[] = {
	{ .vendor = 0x8086, .device = 0x10ca, .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID },
	{ 0 },
};
static struct pci_driver pf_driver = { .drv = { .name = "mailbox" },
				       .id_table = pf_ids,
				       .sriov_configure = configure };
static struct pci_driver vf_driver = { .drv = { .name = "mailboxvf" }, .id_table = vf_ids };

static void setup(void)
{
	const struct pci_bus_env env = { .add_vfs = add_vfs, .remove_vfs = remove_vfs };

	piece = aligned_alloc(64, PCI_SHARED_HEADER + 64);
	pf_looked = vf_looked = vf_resets = vf_live = 0;
	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(pci_bus_create(core, &env, &bus), 0);
	ck_assert_int_eq(pci_root_port_create(0x0020, 1, &port), 0);
	ck_assert_int_eq(pci_bus_add_device(bus, port, NULL, NULL), 0);
	ck_assert_int_eq(pci_dev_create(0x0100, &pf_model, &pf), 0);
	pci_dev_set_ids(pf, 0x8086, 0x10c9, 0x020000, 1, 0x8086, 0xa03c);
	ck_assert_int_eq(pci_dev_add_bar(pf, 0, 0x20000, 0), 0);
	ck_assert_int_gt(pci_add_pcie_endpoint_cap(pf), 0);
	ck_assert_int_gt(pci_add_ari_cap(pf, 0), 0);
	ck_assert_int_gt(pci_add_sriov_cap(pf, 0, &sriov), 0);
	ck_assert_int_eq(pci_dev_set_shared(pf, piece, true), 0);
	ck_assert_int_eq(pci_bus_add_device(bus, pf, port, NULL), 0);
	ck_assert_int_eq(pci_driver_register(bus, &pf_driver), 0);
	ck_assert_int_eq(pci_driver_register(bus, &vf_driver), 0);
}

static void teardown(void)
{
	if (pci_num_vf(pf))
		remove_vfs(NULL, pf);
	pci_driver_unregister(&vf_driver);
	pci_driver_unregister(&pf_driver);
	device_del(&pf->dev);
	device_del(&port->dev);
	pci_bus_destroy(bus);
	device_core_destroy(core);
	free(piece);
}

static const struct attribute *attr_of(struct pci_dev *dev, const char *name)
{
	return test_device_attr(&dev->dev, name);
}

static ssize_t store(struct pci_dev *dev, const char *name, const char *text)
{
	return test_device_store(core, &dev->dev, name, text);
}

static const char *show(struct pci_dev *dev, const char *name)
{
	return test_device_show(core, &dev->dev, name);
}

static uint32_t reg(struct pci_dev *dev, unsigned int off, unsigned int width)
{
	return pci_config_read(dev, pf->sriov_cap + off, width);
}

/* ---- tests ----------------------------------------------------------------------------------- */

START_TEST(capability)
{
	unsigned int cap = pf->sriov_cap;

	ck_assert_uint_eq(reg(pf, PCI_SRIOV_TOTAL_VF, 2), TOTAL);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_INITIAL_VF, 2), TOTAL);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_VF_OFFSET, 2), 128);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_VF_STRIDE, 2), 2);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_VF_DID, 2), 0x10ca);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_SUP_PGSIZE, 4), 0x553);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_CTRL, 2), PCI_SRIOV_CTRL_ARI);
	/* NumVFs: no more than there are, and fixed while VFs are enabled. */
	pci_config_write(pf, cap + PCI_SRIOV_NUM_VF, 2, 100);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_NUM_VF, 2), TOTAL);
	pci_config_write(pf, cap + PCI_SRIOV_NUM_VF, 2, 3);
	ck_assert_uint_eq(pci_enabled_vfs(pf), 0);
	pci_config_write(pf, cap + PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	ck_assert_uint_eq(pci_enabled_vfs(pf), 3);
	ck_assert_uint_eq(((struct mailbox_shared *)pf->shared)->enabled, 3);
	pci_config_write(pf, cap + PCI_SRIOV_NUM_VF, 2, 5);
	pci_config_write(pf, cap + PCI_SRIOV_SYS_PGSIZE, 4, 2);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_NUM_VF, 2), 3);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_SYS_PGSIZE, 4), 1);
	pci_config_write(pf, cap + PCI_SRIOV_CTRL, 2, 0);
	ck_assert_uint_eq(pci_enabled_vfs(pf), 0);
	pci_config_write(pf, cap + PCI_SRIOV_SYS_PGSIZE, 4, 3);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_SYS_PGSIZE, 4), 1);
	pci_config_write(pf, cap + PCI_SRIOV_SYS_PGSIZE, 4, 2);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_SYS_PGSIZE, 4), 2);
	/* A VF BAR sizes one VF; it is 64 bits wide. */
	pci_config_write(pf, cap + PCI_SRIOV_BAR, 4, ~0u);
	pci_config_write(pf, cap + PCI_SRIOV_BAR + 4, 4, ~0u);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_BAR, 4), 0xffffc00c);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_BAR + 4, 4), ~0u);
	pci_config_write(pf, cap + PCI_SRIOV_BAR + 8, 4, ~0u);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_BAR + 8, 4), 0);
	/* What is read-only. */
	pci_config_write(pf, cap + PCI_SRIOV_TOTAL_VF, 2, 1);
	pci_config_write(pf, cap + PCI_SRIOV_VF_DID, 2, 1);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_TOTAL_VF, 2), TOTAL);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_VF_DID, 2), 0x10ca);
}
END_TEST

START_TEST(attributes)
{
	ck_assert_str_eq(show(pf, "sriov_totalvfs"), "6\n");
	ck_assert_str_eq(show(pf, "sriov_numvfs"), "0\n");
	ck_assert_str_eq(show(pf, "sriov_offset"), "128\n");
	ck_assert_str_eq(show(pf, "sriov_stride"), "2\n");
	ck_assert_str_eq(show(pf, "sriov_vf_device"), "10ca\n");
	ck_assert_str_eq(show(pf, "sriov_vf_total_msix"), "0\n");
	ck_assert_str_eq(show(pf, "sriov_drivers_autoprobe"), "1\n");
	ck_assert_str_eq(show(pf, "ari_enabled"), "1\n");
	ck_assert_str_eq(show(port, "ari_enabled"), "0\n");
	ck_assert_ptr_null(attr_of(port, "sriov_numvfs"));
	ck_assert_ptr_null(attr_of(pf, "sriov_vf_msix_count"));
	ck_assert_int_eq(store(pf, "sriov_numvfs", "abc"), -EINVAL);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "-1"), -EINVAL);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "65536"), -EINVAL);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "7"), -ERANGE);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "0"), 1);
	/* A driver that has fewer. */
	ck_assert_int_eq(pci_sriov_set_totalvfs(port, 1), -ENOSYS);
	ck_assert_int_eq(pci_sriov_set_totalvfs(pf, TOTAL + 1), -EINVAL);
	ck_assert_int_eq(pci_sriov_set_totalvfs(pf, 2), 0);
	ck_assert_str_eq(show(pf, "sriov_totalvfs"), "2\n");
	ck_assert_int_eq(store(pf, "sriov_numvfs", "3"), -ERANGE);
	ck_assert_int_eq(pci_sriov_set_totalvfs(pf, 0), 0);
	ck_assert_str_eq(show(pf, "sriov_totalvfs"), "6\n");
	device_core_lock(core);
	device_release_driver(&pf->dev);
	device_core_unlock(core);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "2"), -ENOENT);
	ck_assert_int_eq(store(pf, "sriov_drivers_autoprobe", "5"), -EINVAL);
	device_core_lock(core);
	ck_assert_int_eq(device_attach(&pf->dev), 1);
	device_core_unlock(core);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "2\n"), 2);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "2"), 1);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "3"), -EBUSY);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "7"), -ERANGE);
	ck_assert_str_eq(show(pf, "sriov_numvfs"), "2\n");
	ck_assert_ptr_nonnull(attr_of(vfs[0], "sriov_vf_msix_count"));
	ck_assert_int_eq(store(vfs[0], "sriov_vf_msix_count", "3"), -EOPNOTSUPP);
	ck_assert_int_eq(store(vfs[0], "sriov_vf_msix_count", "-3"), -EINVAL);
	ck_assert_ptr_null(attr_of(vfs[0], "remove"));
	ck_assert_ptr_null(attr_of(vfs[0], "rescan"));
	ck_assert_ptr_null(attr_of(vfs[0], "sriov_numvfs"));
	ck_assert_str_eq(show(vfs[0], "vendor"), "0x8086\n");
	ck_assert_str_eq(show(vfs[0], "device"), "0x10ca\n");
	ck_assert_str_eq(show(vfs[0], "irq"), "0\n");
	ck_assert_str_eq(show(vfs[0], "d3cold_allowed"), "0\n");
	ck_assert_str_eq(show(vfs[0], "power_state"), "D0\n");
	ck_assert_str_eq(show(vfs[0], "reset_method"), "flr\n");
	ck_assert_str_eq(show(vfs[0], "ari_enabled"), "1\n");
	ck_assert_int_eq(store(pf, "sriov_numvfs", "0"), 1);
	ck_assert_uint_eq(vf_live, 0);
	ck_assert_uint_eq(pci_enabled_vfs(pf), 0);
}
END_TEST

/* Without autoprobe a VF goes to who is named in its override and to nobody else. */
START_TEST(autoprobe)
{
	ck_assert_int_eq(store(pf, "sriov_drivers_autoprobe", "n"), 1);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "1"), 1);
	device_core_lock(core);
	ck_assert_int_eq(device_driver_attach(&vf_driver.drv, &vfs[0]->dev), -ENODEV);
	device_core_unlock(core);
	ck_assert_int_eq(store(vfs[0], "driver_override", "mailboxvf"), 9);
	device_core_lock(core);
	ck_assert_int_eq(device_driver_attach(&vf_driver.drv, &vfs[0]->dev), 0);
	device_core_unlock(core);
}
END_TEST

static void enable(unsigned int num)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", num);
	ck_assert_int_eq(store(pf, "sriov_numvfs", text), 1);
}

START_TEST(function)
{
	struct pci_dev *vf;

	enable(4);
	vf = vfs[3];
	ck_assert_str_eq(vf->dev.name, "0000:01:10.6");
	ck_assert_uint_eq(vf->rid, 0x186);
	ck_assert_uint_eq(vf->bar[0].addr, vfs[0]->bar[0].addr + 3 * 0x4000);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_BAR, 4) & ~0xfu, (uint32_t)vfs[0]->bar[0].addr);
	ck_assert_uint_eq(pci_config_read(vf, PCI_VENDOR_ID, 4), ~0u);
	ck_assert_uint_eq(pci_config_read(vf, PCI_CLASS_REVISION, 4), 0x02000001);
	ck_assert_uint_eq(pci_config_read(vf, PCI_SUBSYSTEM_VENDOR_ID, 4), 0xa03c8086);
	pci_config_write(vf, PCI_COMMAND, 2, 0xffff);
	ck_assert_uint_eq(pci_config_read(vf, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	pci_config_write(vf, PCI_BASE_ADDRESS_0, 4, ~0u);
	pci_config_write(vf, PCI_INTERRUPT_LINE, 1, 0xff);
	ck_assert_uint_eq(pci_config_read(vf, PCI_BASE_ADDRESS_0, 4), 0);
	ck_assert_uint_eq(pci_config_read(vf, PCI_INTERRUPT_LINE, 2), 0);
	/* Memory is answered as the PF's VF MSE says. */
	ck_assert_int_eq(pci_dev_power_on(vf), 0);
	ck_assert_uint_eq(pci_bar_read(vf, 0, 0, 4), 0x103);
	pci_config_write_masked(pf, pf->sriov_cap + PCI_SRIOV_CTRL, 2, 0, PCI_SRIOV_CTRL_MSE);
	ck_assert_uint_eq(pci_bar_read(vf, 0, 0, 4), ~0u);
	pci_config_write_masked(pf, pf->sriov_cap + PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_MSE,
				PCI_SRIOV_CTRL_MSE);
	ck_assert_uint_eq(pci_bar_read(vf, 0, 0, 4), 0x103);
	pci_dev_power_off(vf);
}
END_TEST

/* Waits until @count has reached @value. */
static void await(_Atomic unsigned int *count, unsigned int value)
{
	while (atomic_load(count) < value)
		sched_yield();
}

START_TEST(bells)
{
	unsigned int looked;

	enable(2);
	ck_assert_int_eq(pci_dev_power_on(pf), 0);
	ck_assert_int_eq(pci_dev_power_on(vfs[1]), 0);
	await(&pf_looked, 1);
	await(&vf_looked, 1);
	looked = pf_looked;
	pci_bar_write(vfs[1], 0, 0, 4, 77);
	await(&pf_looked, looked + 1);
	ck_assert_uint_eq(((struct mailbox_shared *)pf->shared)->mail[1], 77);
	looked = vf_looked;
	pci_ring_vf(pf, 1);
	await(&vf_looked, looked + 1);
	/* A reset of the PF is one of its VFs. The host's restore enables them again. */
	ck_assert_uint_eq(vf_resets, 0);
	ck_assert_int_eq(pci_reset_function(pf), 0);
	await(&vf_resets, 1);
	ck_assert_uint_eq(pci_enabled_vfs(pf), 2);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_CTRL, 2), 0x19);
	/* One by the user alone leaves them off. */
	pci_dev_reset(pf);
	ck_assert_uint_eq(pci_enabled_vfs(pf), 0);
	ck_assert_uint_eq(reg(pf, PCI_SRIOV_CTRL, 2), 0);
	ck_assert_uint_eq(pci_num_vf(pf), 2);
	pci_dev_power_off(vfs[1]);
	pci_dev_power_off(pf);
}
END_TEST

START_TEST(tokens)
{
	const uint8_t token[16] = "0123456789abcde";
	uint8_t out[16];

	enable(2);
	ck_assert(!pci_vf_token_get(pf, out));
	pci_vf_token_set(pf, token);
	ck_assert(pci_vf_token_get(pf, out));
	ck_assert_mem_eq(out, token, 16);
	ck_assert_uint_eq(pci_vf_users(pf), 0);
	pci_vf_set_user(vfs[0], true);
	pci_vf_set_user(vfs[1], true);
	ck_assert_uint_eq(pci_vf_users(pf), 2);
	pci_vf_set_user(vfs[0], false);
	ck_assert_uint_eq(pci_vf_users(pf), 1);
	pci_vf_token_clear(pf);
	ck_assert(!pci_vf_token_get(pf, out));
}
END_TEST

/* Another process' object of the same PF: registers follow what is shared. */
START_TEST(another_process)
{
	struct pci_dev *other;

	ck_assert_int_eq(pci_dev_create(0x0100, &pf_model, &other), 0);
	ck_assert_int_gt(pci_add_pcie_endpoint_cap(other), 0);
	ck_assert_int_gt(pci_add_ari_cap(other, 0), 0);
	ck_assert_int_gt(pci_add_sriov_cap(other, 0, &sriov), 0);
	pci_dev_created(other);
	enable(3);
	ck_assert_int_eq(pci_dev_set_shared(other, piece, false), 0);
	ck_assert_uint_eq(pci_num_vf(other), 3);
	ck_assert_uint_eq(reg(other, PCI_SRIOV_NUM_VF, 2), 3);
	ck_assert_uint_eq(reg(other, PCI_SRIOV_CTRL, 2), 0x19);
	ck_assert_int_eq(pci_dev_power_on(other), 0);
	ck_assert_int_eq(store(pf, "sriov_numvfs", "0"), 1);
	while (reg(other, PCI_SRIOV_CTRL, 2) != PCI_SRIOV_CTRL_ARI)
		sched_yield();
	ck_assert_uint_eq(reg(other, PCI_SRIOV_NUM_VF, 2), 0);
	pci_dev_power_off(other);
	pci_dev_destroy(other);
}
END_TEST

/* What another process may write into the shared state is no more VFs than there can be. */
START_TEST(nonsense)
{
	struct pci_vf_state *state = pf->internal->vfs;

	enable(2);
	atomic_store(&state->reg, 0xffff0000 | PCI_SRIOV_CTRL_VFE);
	ck_assert_uint_eq(pci_enabled_vfs(pf), TOTAL);
	atomic_store(&state->num_vfs, 1000000);
	ck_assert_uint_eq(pci_num_vf(pf), TOTAL);
	pci_dev_reset(pf);
	ck_assert_uint_eq(state->vf_reset[TOTAL - 1], 1);
	ck_assert_uint_eq(state->vf_reset[TOTAL], 0);
	atomic_store(&state->num_vfs, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pci-sriov");
	TCase *tc = tcase_create("sriov");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, capability);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, autoprobe);
	tcase_add_test(tc, function);
	tcase_add_test(tc, bells);
	tcase_add_test(tc, tokens);
	tcase_add_test(tc, another_process);
	tcase_add_test(tc, nonsense);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
