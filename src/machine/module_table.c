/* SPDX-License-Identifier: BSD-3-Clause */
/* The modules of a session (machine/modules.h): names, dependencies and parameters are the
 * kernel's, sizes those of Debian's builds as far as they are known. */
#include <stdio.h>
#include <string.h>

#include "machine/module_ids.h"
#include "machine/modules.h"

static const char *const vfio_aliases[] = { "devname:vfio/vfio", "char-major-10-196", NULL };
static const char *const vfio_pci_aliases[] = { "vfio_pci:v*d*sv*sd*bc*sc*i*", NULL };

static const struct module_parm vfio_params[] = {
	{ "enable_unsafe_noiommu_mode", "bool", "Allow VFIO without an IOMMU, which is unsafe." },
	{ NULL, NULL, NULL },
};

static const struct module_parm type1_params[] = {
	{ "allow_unsafe_interrupts", "bool", "Do without interrupt remapping." },
	{ "disable_hugepages", "bool", "Map with small pages only." },
	{ "dma_entry_limit", "uint", "How many DMA mappings a container may have." },
	{ NULL, NULL, NULL },
};

#define IDS_TEXT \
	"IDs for the driver: vendor:device[:subvendor[:subdevice[:class[:class_mask]]]],..."

static const struct module_parm vfio_pci_params[] = {
	{ "ids", "string", IDS_TEXT },
	{ "nointxmask", "bool", "Do not use the INTx disable bit for masking." },
	{ "disable_vga", "bool", "No access to VGA ranges." },
	{ "disable_idle_d3", "bool", "Leave idle devices in D0." },
	{ "enable_sriov", "bool", "Let SR-IOV be configured while the driver is bound." },
	{ "disable_denylist", "bool", "Bind devices with known errata, too." },
	{ NULL, NULL, NULL },
};

static const struct module_parm pci_stub_params[] = {
	{ "ids", "string", IDS_TEXT },
	{ NULL, NULL, NULL },
};

const struct module_info module_table[] = {
	{
		.name = "ahci",
		.path = "kernel/drivers/ata/ahci.ko",
		.license = "GPL",
		.coresize = 61440,
		.description = "AHCI SATA low-level driver",
		.author = "Jeff Garzik",
		.version = "3.0",
		.depends = "libata libahci",
		.driver = "ahci",
		.ids = &module_ids_ahci,
	},
	{
		.name = "dca",
		.path = "kernel/drivers/dca/dca.ko",
		.license = "GPL",
		.coresize = 16384,
		.description = "Intel Direct Cache Access (DCA) service module",
		.author = "Intel Corporation",
		.version = "1.12.1",
		.depends = "",
	},
	{
		.name = "e1000e",
		.path = "kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko",
		.license = "GPL v2",
		.coresize = 327680,
		.description = "Intel(R) PRO/1000 Network Driver",
		.depends = "",
		.driver = "e1000e",
		.ids = &module_ids_e1000e,
	},
	{
		.name = "gnss",
		.path = "kernel/drivers/gnss/gnss.ko",
		.license = "GPL v2",
		.coresize = 16384,
		.description = "GNSS receiver core",
		.author = "Johan Hovold <johan@kernel.org>",
		.depends = "",
	},
	{
		.name = "i2c_algo_bit",
		.path = "kernel/drivers/i2c/algos/i2c-algo-bit.ko",
		.license = "GPL",
		.coresize = 20480,
		.description = "I2C-Bus bit-banging algorithm",
		.author = "Simon G. Vogl <simon@tk.uni-linz.ac.at>",
		.depends = "",
	},
	{
		.name = "i40e",
		.path = "kernel/drivers/net/ethernet/intel/i40e/i40e.ko",
		.license = "GPL v2",
		.coresize = 585728,
		.description = "Intel(R) Ethernet Connection XL710 Network Driver",
		.depends = "libie libie_adminq",
		.driver = "i40e",
		.ids = &module_ids_i40e,
	},
	{
		.name = "iavf",
		.path = "kernel/drivers/net/ethernet/intel/iavf/iavf.ko",
		.license = "GPL v2",
		.coresize = 180224,
		.description = "Intel(R) Ethernet Adaptive Virtual Function Network Driver",
		.depends = "libeth libie libie_adminq",
		.driver = "iavf",
		.ids = &module_ids_iavf,
	},
	{
		.name = "ice",
		.path = "kernel/drivers/net/ethernet/intel/ice/ice.ko",
		.license = "GPL v2",
		.coresize = 1310720,
		.description = "Intel(R) Ethernet Connection E800 Series Linux Driver",
		.depends = "libeth_xdp gnss libeth libie_fwlog libie libie_adminq",
		.driver = "ice",
		.ids = &module_ids_ice,
	},
	{
		.name = "idxd",
		.path = "kernel/drivers/dma/idxd/idxd.ko",
		.license = "GPL v2",
		.coresize = 131072,
		.description = "Intel Data Streaming Accelerator and "
			       "In-Memory Analytics Accelerator common driver",
		.author = "Intel Corporation",
		.version = "1.00",
		.depends = "idxd_bus",
		.driver = "idxd",
		.ids = &module_ids_idxd,
	},
	{
		.name = "idxd_bus",
		.path = "kernel/drivers/dma/idxd/idxd_bus.ko",
		.license = "GPL v2",
		.coresize = 16384,
		.description = "IDXD driver dsa_bus_type driver",
		.depends = "",
	},
	{
		.name = "igb",
		.path = "kernel/drivers/net/ethernet/intel/igb/igb.ko",
		.license = "GPL v2",
		.coresize = 303104,
		.description = "Intel(R) Gigabit Ethernet Network Driver",
		.depends = "dca i2c_algo_bit",
		.driver = "igb",
		.ids = &module_ids_igb,
	},
	{
		.name = "igbvf",
		.path = "kernel/drivers/net/ethernet/intel/igbvf/igbvf.ko",
		.license = "GPL v2",
		.coresize = 53248,
		.description = "Intel(R) Gigabit Virtual Function Network Driver",
		.depends = "",
		.driver = "igbvf",
		.ids = &module_ids_igbvf,
	},
	{
		.name = "igc",
		.path = "kernel/drivers/net/ethernet/intel/igc/igc.ko",
		.license = "GPL v2",
		.coresize = 204800,
		.description = "Intel(R) 2.5G Ethernet Linux Driver",
		.depends = "",
		.driver = "igc",
		.ids = &module_ids_igc,
	},
	{
		.name = "ioatdma",
		.path = "kernel/drivers/dma/ioat/ioatdma.ko",
		.license = "Dual BSD/GPL",
		.coresize = 86016,
		.description = "Intel I/OAT DMA Linux driver",
		.author = "Intel Corporation",
		.version = "5.00",
		.depends = "dca",
		.driver = "ioatdma",
		.ids = &module_ids_ioatdma,
	},
	{
		.name = "irqbypass",
		.resident = true,
		.path = "kernel/virt/lib/irqbypass.ko",
		.license = "GPL v2",
		.coresize = 16384,
		.description = "IRQ bypass manager utility module",
		.depends = "",
	},
	{
		.name = "ixgbe",
		.path = "kernel/drivers/net/ethernet/intel/ixgbe/ixgbe.ko",
		.license = "GPL v2",
		.coresize = 512000,
		.description = "Intel(R) 10 Gigabit PCI Express Network Driver",
		.depends = "dca mdio libie_fwlog xfrm_algo",
		.driver = "ixgbe",
		.ids = &module_ids_ixgbe,
	},
	{
		.name = "ixgbevf",
		.path = "kernel/drivers/net/ethernet/intel/ixgbevf/ixgbevf.ko",
		.license = "GPL v2",
		.coresize = 98304,
		.description = "Intel(R) 10 Gigabit Virtual Function Network Driver",
		.depends = "",
		.driver = "ixgbevf",
		.ids = &module_ids_ixgbevf,
	},
	{
		.name = "libahci",
		.path = "kernel/drivers/ata/libahci.ko",
		.license = "GPL",
		.coresize = 49152,
		.description = "Common AHCI SATA low-level routines",
		.author = "Jeff Garzik",
		.depends = "libata",
	},
	{
		.name = "libata",
		.path = "kernel/drivers/ata/libata.ko",
		.license = "GPL",
		.coresize = 368640,
		.description = "Library module for ATA devices",
		.author = "Jeff Garzik",
		.version = "3.00",
		.depends = "scsi_mod scsi_common",
	},
	{
		.name = "libeth",
		.path = "kernel/drivers/net/ethernet/intel/libeth/libeth.ko",
		.license = "GPL",
		.coresize = 16384,
		.description = "Common Ethernet library",
		.depends = "",
	},
	{
		.name = "libeth_xdp",
		.path = "kernel/drivers/net/ethernet/intel/libeth/libeth_xdp.ko",
		.license = "GPL",
		.coresize = 24576,
		.description = "Common Ethernet library - XDP infra",
		.depends = "libeth",
	},
	{
		.name = "libie",
		.path = "kernel/drivers/net/ethernet/intel/libie/libie.ko",
		.license = "GPL",
		.coresize = 12288,
		.description = "Intel(R) Ethernet common library",
		.depends = "",
	},
	{
		.name = "libie_adminq",
		.path = "kernel/drivers/net/ethernet/intel/libie/libie_adminq.ko",
		.license = "GPL",
		.coresize = 16384,
		.description = "Intel(R) Ethernet common library - adminq helpers",
		.depends = "",
	},
	{
		.name = "libie_fwlog",
		.path = "kernel/drivers/net/ethernet/intel/libie/libie_fwlog.ko",
		.license = "GPL",
		.coresize = 24576,
		.description = "Intel(R) Ethernet common library",
		.depends = "",
	},
	{
		.name = "mdev",
		.path = "kernel/drivers/vfio/mdev/mdev.ko",
		.license = "GPL v2",
		.coresize = 20480,
		.description = "Mediated device Core Driver",
		.author = "NVIDIA Corporation",
		.version = "0.1",
		.depends = "",
	},
	{
		.name = "mdio",
		.path = "kernel/drivers/net/mdio.ko",
		.license = "GPL",
		.coresize = 16384,
		.description = "Generic support for MDIO-compatible transceivers",
		.author = "Copyright 2006-2009 Solarflare Communications Inc.",
		.depends = "",
	},
	{
		.name = "mtty",
		.path = "kernel/samples/vfio-mdev/mtty.ko",
		.license = "GPL v2",
		.coresize = 28672,
		.description = "Test driver that simulate serial port over PCI",
		.author = "NVIDIA Corporation",
		.version = "0.1",
		.depends = "mdev vfio",
	},
	{
		.name = "nvme",
		.path = "kernel/drivers/nvme/host/nvme.ko",
		.license = "GPL",
		.coresize = 65536,
		.description = "NVMe host PCIe transport driver",
		.author = "Matthew Wilcox <willy@linux.intel.com>",
		.version = "1.0",
		.depends = "nvme_core",
		.driver = "nvme",
		.ids = &module_ids_nvme,
	},
	{
		.name = "nvme_auth",
		.path = "kernel/drivers/nvme/common/nvme-auth.ko",
		.license = "GPL v2",
		.coresize = 24576,
		.description = "NVMe Authentication framework",
		.depends = "",
	},
	{
		.name = "nvme_core",
		.path = "kernel/drivers/nvme/host/nvme-core.ko",
		.license = "GPL",
		.coresize = 200704,
		.description = "NVMe host core framework",
		.version = "1.0",
		.depends = "nvme_auth nvme_keyring",
	},
	{
		.name = "nvme_keyring",
		.path = "kernel/drivers/nvme/common/nvme-keyring.ko",
		.license = "GPL v2",
		.coresize = 16384,
		.description = "NVMe Keyring implementation",
		.author = "Hannes Reinecke <hare@suse.de>",
		.depends = "",
	},
	{
		.name = "nvme_mdev",
		.path = "updates/nvme_mdev.ko",
		.license = "BSD",
		.coresize = 32768,
		.description = "NVMe controllers cut into mediated devices",
		.depends = "mdev vfio_mdev",
		.driver = "nvme_mdev",
		.ids = &module_ids_none,
	},
	{
		.name = "pci_stub",
		.path = "kernel/drivers/pci/pci-stub.ko",
		.license = "GPL",
		.coresize = 16384,
		.description = "VM device assignment stub driver",
		.author = "Chris Wright <chrisw@sous-sol.org>",
		.depends = "",
		.parms = pci_stub_params,
		.driver = "pci-stub",
		.ids = &module_ids_none,
	},
	{
		.name = "scsi_common",
		.path = "kernel/drivers/scsi/scsi_common.ko",
		.license = "GPL v2",
		.coresize = 16384,
		.description = "SCSI functions used by both the initiator and the target code",
		.depends = "",
	},
	{
		.name = "scsi_mod",
		.path = "kernel/drivers/scsi/scsi_mod.ko",
		.license = "GPL",
		.coresize = 262144,
		.description = "SCSI core",
		.depends = "scsi_common",
	},
	{
		.name = "uio",
		.path = "kernel/drivers/uio/uio.ko",
		.license = "GPL v2",
		.coresize = 24576,
		.description = "Userspace IO core module",
		.depends = "",
	},
	{
		.name = "uio_pci_generic",
		.path = "kernel/drivers/uio/uio_pci_generic.ko",
		.license = "GPL v2",
		.coresize = 16384,
		.description = "Generic UIO driver for PCI 2.3 devices",
		.author = "Michael S. Tsirkin <mst@redhat.com>",
		.version = "0.01.0",
		.depends = "uio",
		.driver = "uio_pci_generic",
		.ids = &module_ids_none,
	},
	{
		.name = "usb_common",
		.path = "kernel/drivers/usb/common/usb-common.ko",
		.license = "GPL",
		.coresize = 20480,
		.description = "Common code for host and device side USB",
		.depends = "",
	},
	{
		.name = "usbcore",
		.path = "kernel/drivers/usb/core/usbcore.ko",
		.license = "GPL",
		.coresize = 331776,
		.description = "USB core host-side support",
		.depends = "usb_common",
	},
	{
		.name = "vfio",
		.resident = true,
		.path = "kernel/drivers/vfio/vfio.ko",
		.license = "GPL v2",
		.coresize = 65536,
		.description = "VFIO - User Level meta-driver",
		.author = "Alex Williamson <alex.williamson@redhat.com>",
		.version = "0.3",
		.depends = "",
		.softdep = "post: vfio_iommu_type1 vfio_iommu_spapr_tce",
		.aliases = vfio_aliases,
		.parms = vfio_params,
	},
	{
		.name = "vfio_iommu_type1",
		.resident = true,
		.path = "kernel/drivers/vfio/vfio_iommu_type1.ko",
		.license = "GPL v2",
		.coresize = 53248,
		.description = "Type1 IOMMU driver for VFIO",
		.author = "Alex Williamson <alex.williamson@redhat.com>",
		.version = "0.2",
		.depends = "vfio",
		.parms = type1_params,
	},
	{
		.name = "vfio_mdev",
		.path = "kernel/drivers/vfio/mdev/vfio_mdev.ko",
		.license = "GPL v2",
		.coresize = 16384,
		.description = "VFIO based driver for Mediated device",
		.author = "NVIDIA Corporation",
		.version = "0.1",
		.depends = "mdev vfio",
	},
	{
		.name = "vfio_pci",
		.resident = true,
		.path = "kernel/drivers/vfio/pci/vfio-pci.ko",
		.license = "GPL v2",
		.coresize = 20480,
		.description = "VFIO PCI - User Level meta-driver",
		.author = "Alex Williamson <alex.williamson@redhat.com>",
		.depends = "vfio_pci_core vfio",
		.aliases = vfio_pci_aliases,
		.parms = vfio_pci_params,
		.driver = "vfio-pci",
		.ids = &module_ids_none,
	},
	{
		.name = "vfio_pci_core",
		.resident = true,
		.path = "kernel/drivers/vfio/pci/vfio-pci-core.ko",
		.license = "GPL v2",
		.coresize = 106496,
		.description = "core driver for VFIO based PCI devices",
		.author = "Alex Williamson <alex.williamson@redhat.com>",
		.depends = "vfio irqbypass",
	},
	{
		.name = "virtio",
		.path = "kernel/drivers/virtio/virtio.ko",
		.license = "GPL",
		.coresize = 20480,
		.depends = "",
	},
	{
		.name = "virtio_pci",
		.path = "kernel/drivers/virtio/virtio_pci.ko",
		.license = "GPL",
		.coresize = 24576,
		.description = "virtio-pci",
		.author = "Anthony Liguori <aliguori@us.ibm.com>",
		.version = "1",
		.depends = "virtio_pci_legacy_dev virtio_pci_modern_dev virtio_ring virtio",
		.driver = "virtio-pci",
		.ids = &module_ids_virtio_pci,
	},
	{
		.name = "virtio_pci_legacy_dev",
		.path = "kernel/drivers/virtio/virtio_pci_legacy_dev.ko",
		.license = "GPL",
		.coresize = 16384,
		.description = "Legacy Virtio PCI Device",
		.author = "Wu Zongyong <wuzongyong@linux.alibaba.com>",
		.version = "0.1",
		.depends = "",
	},
	{
		.name = "virtio_pci_modern_dev",
		.path = "kernel/drivers/virtio/virtio_pci_modern_dev.ko",
		.license = "GPL",
		.coresize = 24576,
		.description = "Modern Virtio PCI Device",
		.author = "Jason Wang <jasowang@redhat.com>",
		.version = "0.1",
		.depends = "",
	},
	{
		.name = "virtio_ring",
		.path = "kernel/drivers/virtio/virtio_ring.ko",
		.license = "GPL",
		.coresize = 45056,
		.depends = "virtio",
	},
	{
		.name = "xfrm_algo",
		.path = "kernel/net/xfrm/xfrm_algo.ko",
		.license = "GPL",
		.coresize = 16384,
		.description = "XFRM Algorithm interface",
		.depends = "",
	},
	{
		.name = "xhci_hcd",
		.path = "kernel/drivers/usb/host/xhci-hcd.ko",
		.license = "GPL",
		.coresize = 319488,
		.description = "'eXtensible' Host Controller (xHC) Driver",
		.author = "Sarah Sharp",
		.depends = "usbcore usb_common",
	},
	{
		.name = "xhci_pci",
		.path = "kernel/drivers/usb/host/xhci-pci.ko",
		.license = "GPL",
		.coresize = 24576,
		.description = "xHCI PCI Host Controller Driver",
		.depends = "xhci_hcd usbcore",
		.driver = "xhci_hcd",
		.ids = &module_ids_xhci_pci,
	},
	{ .name = NULL },
};

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
			return false;
	return !*a && !*b;
}

const struct module_info *module_find(const char *name)
{
	for (const struct module_info *info = module_table; info->name; info++)
		if (same_name(info->name, name))
			return info;
	return NULL;
}

bool module_list_has(const char *names, const char *name)
{
	size_t len = strlen(name), n;

	for (; *names; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		if (n == len && !memcmp(names, name, n))
			return true;
	}
	return false;
}

size_t module_dependencies(const struct module_info *info, const struct module_info **out,
			   size_t count, size_t max)
{
	char names[512], *save = NULL;

	snprintf(names, sizeof(names), "%s", info->depends);
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		const struct module_info *dep = module_find(name);
		size_t seen = 0;

		while (seen < count && out[seen] != dep)
			seen++;
		if (seen < count)
			continue;
		count = module_dependencies(dep, out, count, max);
		if (count < max)
			out[count++] = dep;
	}
	return count;
}
