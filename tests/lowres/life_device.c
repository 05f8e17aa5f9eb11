/* SPDX-License-Identifier: BSD-3-Clause */
/* A life's device: information, regions, interrupts in all modes, ioeventfd, resets, features. */
#include <sys/eventfd.h>

#include "life.h"
#include "life_priv.h"

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define MSI  VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define ERR  VFIO_PCI_ERR_IRQ_INDEX
#define REQ  VFIO_PCI_REQ_IRQ_INDEX

#define NVME_VS	 0x08u
#define NVME_AQA 0x24u

/* ---- information and regions ---------------------------------------------------------------- */

static int step_info(void)
{
	for (int i = 0; i < 2; i++) {
		struct vfio_device_info info = { .argsz = sizeof(info) };
		int ret = door_ioctl(life.device[i], VFIO_DEVICE_GET_INFO, &info);

		for (uint32_t r = 0; !ret && r < VFIO_PCI_VGA_REGION_INDEX; r++) {
			uint64_t buf[32];
			struct vfio_region_info *region = (void *)buf;

			*region = (struct vfio_region_info){ .argsz = sizeof(buf), .index = r };
			ret = door_ioctl(life.device[i], VFIO_DEVICE_GET_REGION_INFO, region);
		}
		for (uint32_t r = 0; !ret && r < info.num_irqs; r++) {
			struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = r };

			ret = door_ioctl(life.device[i], VFIO_DEVICE_GET_IRQ_INFO, &irq);
		}
		if (ret)
			return ret;
	}
	return 0;
}

static uint64_t offset_of(uint32_t index)
{
	return (uint64_t)index << 40;
}

/* Memory decode and bus master. */
static int step_command(void)
{
	const uint16_t command = 6;
	uint16_t back = 0;

	for (int i = 0; i < 2; i++) {
		uint64_t off = offset_of(VFIO_PCI_CONFIG_REGION_INDEX) + 4;
		int ret = door_pwrite(life.device[i], &command, 2, off);

		if (ret == 2)
			ret = life_pread(life.device[i], &back, 2, off);
		if (ret < 0)
			return ret;
		if (ret != 2 || (back & 6) != 6)
			return -EIO;
	}
	return 0;
}

static int step_region(void)
{
	uint32_t vs = 0, aqa = 0x00030003;
	int ret = life_pread(life.device[0], &vs, 4, NVME_VS);

	if (ret == 4 && vs != 0x00010400)
		return -EIO;
	if (ret == 4)
		ret = door_pwrite(life.device[0], &aqa, 4, NVME_AQA);
	return ret == 4 ? 0 : ret < 0 ? ret : -EIO;
}

static int step_bar(void)
{
	return life_mmap(life.device[0], 2 * PAGE, 0, &life.bar[0]);
}

static int step_second_bar(void)
{
	return life_mmap(life.device[1], PAGE, 0, &life.bar[1]);
}

/* Each store is a trap, and each load may be. */
static int step_trap(void)
{
	volatile uint32_t *regs = life.bar[0];

	if (regs[NVME_VS / 4] != 0x00010400)
		return -EIO;
	for (uint32_t i = 0; i < 4; i++) {
		regs[NVME_AQA / 4] = i << 16 | i;
		if (regs[NVME_AQA / 4] != (i << 16 | i))
			return -EIO;
	}
	return 0;
}

/* ---- interrupts ----------------------------------------------------------------------------- */

static int set(uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	uint64_t buf[8];
	struct vfio_irq_set *irqs = (void *)buf;
	uint32_t size = sizeof(*irqs);

	if (flags & EVENTFD) {
		memcpy(irqs->data, life.event, count * sizeof(int));
		size += count * (uint32_t)sizeof(int);
	}
	*irqs = (struct vfio_irq_set){
		.argsz = size, .flags = flags, .index = index, .start = start, .count = count
	};
	return door_ioctl(life.device[0], VFIO_DEVICE_SET_IRQS, irqs);
}

static int step_intx(void)
{
	return set(EVENTFD | TRIGGER, INTX, 0, 1);
}

static int step_intx_mask(void)
{
	int ret = set(NONE | MASK, INTX, 0, 1);

	return ret ? ret : set(NONE | UNMASK, INTX, 0, 1);
}

static int step_intx_virqfd(void)
{
	return set(EVENTFD | UNMASK, INTX, 0, 1);
}

static int step_intx_off(void)
{
	return set(NONE | TRIGGER, INTX, 0, 0);
}

static int step_msi(void)
{
	return set(EVENTFD | TRIGGER, MSI, 0, 2);
}

static int step_msi_off(void)
{
	return set(NONE | TRIGGER, MSI, 0, 0);
}

static int step_msix(void)
{
	return set(EVENTFD | TRIGGER, MSIX, 0, 2);
}

static int step_msix_more(void)
{
	return set(EVENTFD | TRIGGER, MSIX, 2, 1);
}

static int step_msix_signal(void)
{
	eventfd_t value;
	int ret;

	eventfd_read(life.event[1], &value);
	ret = set(NONE | TRIGGER, MSIX, 1, 1);
	if (ret)
		return ret;
	return eventfd_read(life.event[1], &value) || value != 1 ? -EIO : 0;
}

static int step_msix_off(void)
{
	return set(NONE | TRIGGER, MSIX, 0, 0);
}

static int step_err(void)
{
	return set(EVENTFD | TRIGGER, ERR, 0, 1);
}

static int step_req(void)
{
	return set(EVENTFD | TRIGGER, REQ, 0, 1);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static int ioeventfd(int fd)
{
	struct vfio_device_ioeventfd arg = { .argsz = sizeof(arg),
					     .flags = VFIO_DEVICE_IOEVENTFD_32,
					     .offset = NVME_AQA,
					     .data = 0x00070007,
					     .fd = fd };

	return door_ioctl(life.device[0], VFIO_DEVICE_IOEVENTFD, &arg);
}

static int step_ioeventfd(void)
{
	return ioeventfd(life.event[2]);
}

static int step_ioeventfd_off(void)
{
	return ioeventfd(-1);
}

static int step_reset(void)
{
	return door_ioctl(life.device[0], VFIO_DEVICE_RESET, NULL);
}

static int step_hot_info(void)
{
	uint32_t buf[64];
	struct vfio_pci_hot_reset_info *info = (void *)buf;

	*info = (struct vfio_pci_hot_reset_info){ .argsz = sizeof(buf) };
	return door_ioctl(life.device[0], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
}

static int step_hot_reset(void)
{
	uint32_t buf[4];
	struct vfio_pci_hot_reset *reset = (void *)buf;

	*reset = (struct vfio_pci_hot_reset){ .argsz = sizeof(buf), .count = 1 };
	reset->group_fds[0] = life.group[0];
	return door_ioctl(life.device[0], VFIO_DEVICE_PCI_HOT_RESET, reset);
}

static int feature(uint32_t flags)
{
	struct vfio_device_feature arg = { .argsz = sizeof(arg), .flags = flags };

	return door_ioctl(life.device[0], VFIO_DEVICE_FEATURE, &arg);
}

static int step_probe(void)
{
	return feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | 3);
}

static int step_low_power(void)
{
	return feature(VFIO_DEVICE_FEATURE_SET | 3);
}

static int step_full_power(void)
{
	return feature(VFIO_DEVICE_FEATURE_SET | 5);
}

/* An eventfd takes a signal always; only an injected failure loses it. */
static const int signals[] = { EIO, 0 };

/* There are so many vectors, and so many watches (pci_alloc_irq_vectors(), epoll). */
static const int irqs[] = { ENOSPC, 0 };

const struct life_step life_device_steps[] = {
	{ "info", step_info, NULL },
	{ "command", step_command, NULL },
	{ "region", step_region, NULL },
	{ "bar", step_bar, NULL },
	{ "second bar", step_second_bar, NULL },
	{ "trap", step_trap, NULL },
	{ "intx", step_intx, irqs },
	{ "intx virqfd", step_intx_virqfd, irqs },
	{ "intx mask", step_intx_mask, irqs },
	{ "intx off", step_intx_off, NULL },
	{ "msi", step_msi, irqs },
	{ "msi off", step_msi_off, NULL },
	{ "msix", step_msix, irqs },
	{ "msix more", step_msix_more, irqs },
	{ "msix signal", step_msix_signal, signals },
	{ "msix off", step_msix_off, NULL },
	{ "err", step_err, irqs },
	{ "req", step_req, irqs },
	{ "ioeventfd", step_ioeventfd, irqs },
	{ "ioeventfd off", step_ioeventfd_off, NULL },
	{ "reset", step_reset, NULL },
	{ "hot reset info", step_hot_info, NULL },
	{ "hot reset", step_hot_reset, NULL },
	{ "probe", step_probe, NULL },
	{ "low power", step_low_power, NULL },
	{ "full power", step_full_power, NULL },
	{ NULL, NULL, NULL },
};
