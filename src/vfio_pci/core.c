/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, closing, describing and resetting a function for a user (the kernel's vfio_pci_core.c).
 *
 * Open: power, no bus mastering, decoding on, reset, state saved, virtual config space made. Close
 * is the reverse: the user's interrupts go, the function is reset and gets the saved state back,
 * and it sleeps in D3hot until the next open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "pci/sriov.h"
#include "vfio_pci/core.h"
#include "vfio_pci/vfio_pci_priv.h"

#define PCI_CLASS_NOT_DEFINED_VGA 0x0001
#define PCI_CLASS_DISPLAY_VGA	  0x0300

static void find_msix_table(struct vfio_pci_device *vpd)
{
	struct pci_dev *pdev = vpd->pdev;
	uint32_t table;

	vpd->msix_bar = PCI_NUM_BARS;
	if (!pdev->msix_cap)
		return;
	table = pci_get_long(pdev, pdev->msix_cap + PCI_MSIX_TABLE);
	vpd->msix_bar = table & PCI_MSIX_TABLE_BIR;
	vpd->msix_off = table & PCI_MSIX_TABLE_OFFSET;
	vpd->msix_size = pci_msix_vectors(pdev) * PCI_MSIX_ENTRY_SIZE;
}

static bool is_vga(const struct pci_dev *pdev)
{
	return pdev->class_code >> 8 == PCI_CLASS_DISPLAY_VGA ||
	       pdev->class_code >> 8 == PCI_CLASS_NOT_DEFINED_VGA;
}

static int open_device(struct vfio_device *vdev)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	struct pci_dev *pdev = vpd->pdev;
	int ret;

	ret = pci_dev_power_on(pdev);
	if (ret)
		return ret;
	vfio_pci_wake(vpd);
	pci_set_master(pdev, false);
	pci_enable_decode(pdev);
	vpd->reset_works = pci_reset_function(pdev) == 0;
	pci_save_state(pdev, vpd->saved);
	vpd->intx_in_cmd = !vpd->nointxmask;
	if (vpd->intx_in_cmd)
		pci_intx(pdev, true);
	vpd->irq_type = VFIO_PCI_IRQ_NONE;
	atomic_store(&vpd->virq_disabled, false);
	vpd->low_power_uses = 0;
	ret = vfio_pci_config_init(vpd);
	if (ret) {
		vfio_pci_sleep(vpd);
		pci_dev_power_off(pdev);
		return ret;
	}
	find_msix_table(vpd);
	vpd->has_vga = !vpd->disable_vga && is_vga(pdev);
	vfio_pci_memory_init(vpd);
	if (pdev->physfn)
		pci_vf_set_user(pdev, true);
	vdev->memfd = pdev->memfd;
	return 0;
}

static void close_device(struct vfio_device *vdev)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	struct pci_dev *pdev = vpd->pdev;

	if (pdev->physfn)
		pci_vf_set_user(pdev, false);
	vfio_pci_low_power_exit(vpd);
	pthread_mutex_lock(&vpd->memory_lock);
	vfio_pci_set_power_state(vpd, 0);
	pthread_mutex_unlock(&vpd->memory_lock);
	pci_set_master(pdev, false);
	vfio_pci_irqs_close(vpd);
	vfio_pci_ioeventfds_free(vpd);
	vfio_pci_memory_exit(vpd);
	vfio_pci_config_free(vpd);
	pci_config_write(pdev, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	if (vpd->reset_works)
		pci_reset_only(pdev);
	pci_restore_state(pdev, vpd->saved);
	vdev->memfd = -1;
	vfio_pci_sleep(vpd);
	pci_dev_power_off(pdev);
	/* Other processes see the registers as they are left, too. */
	pci_config_publish(pdev);
}

int vfio_pci_reset_locked(struct vfio_pci_device *vpd)
{
	int ret;

	/* The driver core has the device: somebody unbinds it and waits for the user. */
	if (vpd->pdev->dev.unbinding)
		return -EAGAIN;
	vfio_pci_set_power_state(vpd, 0);
	ret = pci_reset_function(vpd->pdev);
	vfio_pci_memory_update(vpd);
	return ret;
}

static int reset(struct vfio_device *vdev)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	bool used;
	int ret;

	if (!vpd->reset_works)
		return -EINVAL;
	used = vfio_pci_use(vpd);
	pthread_mutex_lock(&vpd->memory_lock);
	ret = vfio_pci_reset_locked(vpd);
	pthread_mutex_unlock(&vpd->memory_lock);
	vfio_pci_unuse(vpd, used);
	return ret;
}

/* ---- what there is -------------------------------------------------------------------------- */

static int get_info(struct vfio_device *vdev, struct vfio_device_info *info,
		    struct vfio_info_cap *caps)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);

	vfio_pci_unuse(vpd, vfio_pci_use(vpd));
	info->flags = VFIO_DEVICE_FLAGS_PCI | (vpd->reset_works ? VFIO_DEVICE_FLAGS_RESET : 0);
	info->num_regions = VFIO_PCI_NUM_REGIONS;
	info->num_irqs = VFIO_PCI_NUM_IRQS;
	return 0;
}

static int bar_info(struct vfio_pci_device *vpd, struct vfio_region_info *info,
		    struct vfio_info_cap *caps)
{
	struct vfio_info_cap_header mappable = { .id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
						 .version = 1 };
	int ret = 0;

	info->size = vpd->pdev->bar[info->index].size;
	if (!info->size)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!vpd->bar_mmap[info->index])
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (vpd->pdev->sparse_mmap)
		ret = vfio_pci_sparse_cap(vpd, info->index, caps);
	if (!ret && info->index == vpd->msix_bar)
		ret = vfio_info_add_capability(caps, &mappable, sizeof(mappable));
	return ret;
}

/* A ROM is offered when its content is one. */
static void rom_info(struct vfio_pci_device *vpd, struct vfio_region_info *info)
{
	if (!vfio_pci_rom_size(vpd))
		return;
	info->flags = VFIO_REGION_INFO_FLAG_READ;
	info->size = vpd->pdev->bar[PCI_ROM_BAR].size;
}

static int get_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
			   struct vfio_info_cap *caps)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);

	vfio_pci_unuse(vpd, vfio_pci_use(vpd));
	if (info->index > VFIO_PCI_CONFIG_REGION_INDEX &&
	    (info->index != VFIO_PCI_VGA_REGION_INDEX || !vpd->has_vga))
		return -EINVAL;
	info->offset = (uint64_t)info->index << PCI_REGION_SHIFT;
	info->size = 0;
	info->flags = 0;
	switch (info->index) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info->size = vpd->pdev->cfg_size;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		return 0;
	case VFIO_PCI_ROM_REGION_INDEX:
		rom_info(vpd, info);
		return 0;
	case VFIO_PCI_VGA_REGION_INDEX:
		info->size = VFIO_PCI_VGA_SIZE;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		return 0;
	default:
		return bar_info(vpd, info, caps);
	}
}

static int get_irq_info(struct vfio_device *vdev, struct vfio_irq_info *info)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);

	vfio_pci_unuse(vpd, vfio_pci_use(vpd));
	if (info->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = vfio_pci_irq_count(vpd, info->index);
	if (info->index == VFIO_PCI_INTX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info->index != VFIO_PCI_MSIX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_NORESIZE;
	return 0;
}

/* ---- requests and names --------------------------------------------------------------------- */

static void request(struct vfio_device *vdev, unsigned int count)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	struct irq_trigger *trigger;

	pthread_mutex_lock(&vpd->req_lock);
	trigger = atomic_load(&vpd->req_trigger);
	if (trigger) {
		if (count % 10 == 0)
			pr_notice("vfio-pci %s: Relaying device request to user (#%u)",
				  vdev->dev->name, count);
		irq_trigger_signal(trigger);
	} else if (count == 0) {
		pr_warn("vfio-pci %s: No device request channel registered, "
			"blocked until released by user",
			vdev->dev->name);
	}
	pthread_mutex_unlock(&vpd->req_lock);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* "bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3"; @text has 36 bytes at least. */
static int parse_uuid(const char *text, uint8_t uuid[16])
{
	for (unsigned int i = 0, n = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return -EINVAL;
			continue;
		}
		if (hex_digit(text[i]) < 0)
			return -EINVAL;
		uuid[n / 2] = (uint8_t)(uuid[n / 2] << 4 | hex_digit(text[i]));
		n++;
	}
	return 0;
}

/* "BDF[ vf_token=UUID]" */
static int match(struct vfio_device *vdev, const char *name)
{
	size_t len = strlen(vdev->dev->name);
	uint8_t uuid[16] = { 0 };
	bool token = false;
	int ret;

	if (strncmp(vdev->dev->name, name, len))
		return 0;
	name += len;
	if (*name && *name != ' ')
		return 0;
	while (*name) {
		if (*name == ' ') {
			name++;
			continue;
		}
		if (token || strncmp(name, "vf_token=", 9) || strlen(name + 9) < 36 ||
		    parse_uuid(name + 9, uuid))
			return -EINVAL;
		token = true;
		name += 9 + 36;
	}
	ret = vfio_pci_validate_vf_token(to_vpd(vdev), token ? uuid : NULL);
	return ret ? ret : 1;
}

static long bus_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	bool used = vfio_pci_use(vpd);
	long ret = -ENOTTY;

	if (cmd == VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
		ret = vfio_pci_hot_reset_info(vpd, arg);
	else if (cmd == VFIO_DEVICE_PCI_HOT_RESET)
		ret = vfio_pci_hot_reset(vpd, arg);
	else if (cmd == VFIO_DEVICE_IOEVENTFD)
		ret = vfio_pci_ioeventfd(vpd, arg);
	vfio_pci_unuse(vpd, used);
	return ret;
}

const struct vfio_device_ops vfio_pci_ops = {
	.name = "vfio-pci",
	.open_device = open_device,
	.close_device = close_device,
	.get_info = get_info,
	.get_region_info = get_region_info,
	.get_irq_info = get_irq_info,
	.set_irqs = vfio_pci_set_irqs,
	.reset = reset,
	.region_read = vfio_pci_region_read,
	.region_write = vfio_pci_region_write,
	.mmap = vfio_pci_mmap,
	.mmio_read = vfio_pci_mmio_read,
	.mmio_write = vfio_pci_mmio_write,
	.request = request,
	.match = match,
	.device_feature = vfio_pci_feature,
	.ioctl = bus_ioctl,
};

/* ---- an instance ---------------------------------------------------------------------------- */

int vfio_pci_device_create(struct pci_dev *pdev, struct vfio_pci_device **out)
{
	struct vfio_pci_device *vpd = FAIL_POINT() ? NULL : calloc(1, sizeof(*vpd));
	int ret;

	if (!vpd)
		return -ENOMEM;
	ret = vfio_init_device(&vpd->vdev, &pdev->dev, &vfio_pci_ops, vpd);
	if (ret) {
		free(vpd);
		return ret;
	}
	vpd->pdev = pdev;
	vpd->irq_type = VFIO_PCI_IRQ_NONE;
	pthread_mutex_init(&vpd->memory_lock, NULL);
	pthread_mutex_init(&vpd->config.lock, NULL);
	pthread_mutex_init(&vpd->intx.lock, NULL);
	pthread_mutex_init(&vpd->req_lock, NULL);
	list_init(&vpd->ioeventfds);
	*out = vpd;
	return 0;
}

struct vfio_device *vfio_pci_device_vdev(struct vfio_pci_device *vpd)
{
	return &vpd->vdev;
}

void vfio_pci_device_destroy(struct vfio_pci_device *vpd)
{
	pthread_mutex_destroy(&vpd->req_lock);
	pthread_mutex_destroy(&vpd->intx.lock);
	pthread_mutex_destroy(&vpd->config.lock);
	pthread_mutex_destroy(&vpd->memory_lock);
	free(vpd);
}
