/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uAPI as numbers: every size, offset and ioctl number that crosses the boundary to a program
 * is asserted against a literal, so that neither the build machine's headers nor our additions can
 * drift unnoticed.
 */
#include "uapi/kvm.h"
#include "uapi/vfio.h"

#include <stddef.h>

#define UAPI_IS(what, literal) _Static_assert((what) == (literal), #what " is not " #literal)

/* ioctl numbers: no size or direction is encoded, ';' << 8 | 100 + n. */
UAPI_IS(VFIO_GET_API_VERSION, 0x3b64);
UAPI_IS(VFIO_CHECK_EXTENSION, 0x3b65);
UAPI_IS(VFIO_SET_IOMMU, 0x3b66);
UAPI_IS(VFIO_GROUP_GET_STATUS, 0x3b67);
UAPI_IS(VFIO_GROUP_SET_CONTAINER, 0x3b68);
UAPI_IS(VFIO_GROUP_UNSET_CONTAINER, 0x3b69);
UAPI_IS(VFIO_GROUP_GET_DEVICE_FD, 0x3b6a);
UAPI_IS(VFIO_DEVICE_GET_INFO, 0x3b6b);
UAPI_IS(VFIO_DEVICE_GET_REGION_INFO, 0x3b6c);
UAPI_IS(VFIO_DEVICE_GET_IRQ_INFO, 0x3b6d);
UAPI_IS(VFIO_DEVICE_SET_IRQS, 0x3b6e);
UAPI_IS(VFIO_DEVICE_RESET, 0x3b6f);
UAPI_IS(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, 0x3b70);
UAPI_IS(VFIO_DEVICE_PCI_HOT_RESET, 0x3b71);
UAPI_IS(VFIO_DEVICE_IOEVENTFD, 0x3b74);
UAPI_IS(VFIO_DEVICE_FEATURE, 0x3b75);
UAPI_IS(VFIO_DEVICE_BIND_IOMMUFD, 0x3b76);
UAPI_IS(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0x3b77);
UAPI_IS(VFIO_DEVICE_DETACH_IOMMUFD_PT, 0x3b78);
UAPI_IS(VFIO_IOMMU_GET_INFO, 0x3b70);
UAPI_IS(VFIO_IOMMU_MAP_DMA, 0x3b71);
UAPI_IS(VFIO_IOMMU_UNMAP_DMA, 0x3b72);
UAPI_IS(VFIO_IOMMU_DIRTY_PAGES, 0x3b75);

UAPI_IS(VFIO_API_VERSION, 0);
UAPI_IS(VFIO_TYPE1_IOMMU, 1);
UAPI_IS(VFIO_TYPE1v2_IOMMU, 3);
UAPI_IS(VFIO_DMA_CC_IOMMU, 4);
UAPI_IS(VFIO_NOIOMMU_IOMMU, 8);
UAPI_IS(VFIO_UNMAP_ALL, 9);
UAPI_IS(VFIO_UPDATE_VADDR, 10);

UAPI_IS(sizeof(struct vfio_info_cap_header), 8);

UAPI_IS(sizeof(struct vfio_group_status), 8);

UAPI_IS(offsetof(struct vfio_device_info, num_regions), 8);
UAPI_IS(offsetof(struct vfio_device_info, num_irqs), 12);
UAPI_IS(offsetof(struct vfio_device_info, cap_offset), 16);
UAPI_IS(sizeof(struct vfio_device_info) <= VFIO_DEVICE_INFO_SIZE, 1);

UAPI_IS(sizeof(struct vfio_region_info), 32);
UAPI_IS(offsetof(struct vfio_region_info, index), 8);
UAPI_IS(offsetof(struct vfio_region_info, cap_offset), 12);
UAPI_IS(offsetof(struct vfio_region_info, size), 16);
UAPI_IS(offsetof(struct vfio_region_info, offset), 24);
UAPI_IS(sizeof(struct vfio_region_info_cap_sparse_mmap), 16);
UAPI_IS(sizeof(struct vfio_region_sparse_mmap_area), 16);

UAPI_IS(sizeof(struct vfio_irq_info), 16);
UAPI_IS(offsetof(struct vfio_irq_info, count), 12);
UAPI_IS(sizeof(struct vfio_irq_set), 20);
UAPI_IS(offsetof(struct vfio_irq_set, count), 16);
UAPI_IS(offsetof(struct vfio_irq_set, data), 20);

UAPI_IS(sizeof(struct vfio_pci_dependent_device), 8);
UAPI_IS(sizeof(struct vfio_pci_hot_reset_info), 12);
UAPI_IS(sizeof(struct vfio_pci_hot_reset), 12);
UAPI_IS(sizeof(struct vfio_device_ioeventfd), 32);

UAPI_IS(sizeof(struct vfio_device_feature), 8);
UAPI_IS(VFIO_DEVICE_FEATURE_MASK, 0xffff);
UAPI_IS(VFIO_DEVICE_FEATURE_GET, 0x10000);
UAPI_IS(VFIO_DEVICE_FEATURE_SET, 0x20000);
UAPI_IS(VFIO_DEVICE_FEATURE_PROBE, 0x40000);
UAPI_IS(VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, 9);
UAPI_IS(sizeof(struct vfio_device_feature_mig_data_size), 8);
UAPI_IS(sizeof(struct vfio_device_feature_migration), 8);
UAPI_IS(sizeof(struct vfio_device_feature_mig_state), 8);
UAPI_IS(offsetof(struct vfio_device_feature_mig_state, data_fd), 4);
UAPI_IS(sizeof(struct vfio_device_feature_dma_logging_control), 24);
UAPI_IS(offsetof(struct vfio_device_feature_dma_logging_control, ranges), 16);
UAPI_IS(sizeof(struct vfio_device_feature_dma_logging_range), 16);
UAPI_IS(sizeof(struct vfio_device_feature_dma_logging_report), 32);
UAPI_IS(offsetof(struct vfio_device_feature_dma_logging_report, bitmap), 24);
UAPI_IS(VFIO_DEVICE_STATE_RUNNING_P2P, 5);
UAPI_IS(VFIO_DEVICE_STATE_PRE_COPY, 6);
UAPI_IS(VFIO_DEVICE_STATE_PRE_COPY_P2P, 7);
UAPI_IS(VFIO_MIG_GET_PRECOPY_INFO, 0x3b79);
UAPI_IS(sizeof(struct vfio_precopy_info), 24);
UAPI_IS(offsetof(struct vfio_precopy_info, initial_bytes), 8);

UAPI_IS(sizeof(struct vfio_iommu_type1_info) <= VFIO_IOMMU_TYPE1_INFO_SIZE, 1);
UAPI_IS(offsetof(struct vfio_iommu_type1_info, iova_pgsizes), 8);
UAPI_IS(offsetof(struct vfio_iommu_type1_info, cap_offset), 16);
UAPI_IS(sizeof(struct vfio_iommu_type1_info_cap_iova_range), 16);
UAPI_IS(sizeof(struct vfio_iova_range), 16);
UAPI_IS(sizeof(struct vfio_iommu_type1_info_cap_migration), 32);
UAPI_IS(offsetof(struct vfio_iommu_type1_info_cap_migration, pgsize_bitmap), 16);
UAPI_IS(sizeof(struct vfio_iommu_type1_info_dma_avail), 12);

UAPI_IS(sizeof(struct vfio_iommu_type1_dma_map), 32);
UAPI_IS(offsetof(struct vfio_iommu_type1_dma_map, vaddr), 8);
UAPI_IS(offsetof(struct vfio_iommu_type1_dma_map, iova), 16);
UAPI_IS(offsetof(struct vfio_iommu_type1_dma_map, size), 24);
UAPI_IS(sizeof(struct vfio_iommu_type1_dma_unmap), 24);
UAPI_IS(offsetof(struct vfio_iommu_type1_dma_unmap, data), 24);
UAPI_IS(sizeof(struct vfio_bitmap), 24);
UAPI_IS(offsetof(struct vfio_bitmap, size), 8);
UAPI_IS(offsetof(struct vfio_bitmap, data), 16);
UAPI_IS(sizeof(struct vfio_iommu_type1_dirty_bitmap), 8);
UAPI_IS(sizeof(struct vfio_iommu_type1_dirty_bitmap_get), 40);
UAPI_IS(offsetof(struct vfio_iommu_type1_dirty_bitmap_get, bitmap), 16);

/* KVM's device assignment, of Linux up to 4.11. */
UAPI_IS(KVM_CAP_IOMMU, 18);
UAPI_IS(KVM_CAP_ASSIGN_DEV_IRQ, 29);
UAPI_IS(KVM_CAP_PCI_2_3, 75);
UAPI_IS(KVM_ASSIGN_PCI_DEVICE, 0x8040ae69);
UAPI_IS(KVM_ASSIGN_IRQ, 0x8040ae70);
UAPI_IS(KVM_ASSIGN_DEV_IRQ, 0x4040ae70);
UAPI_IS(KVM_DEASSIGN_PCI_DEVICE, 0x4040ae72);
UAPI_IS(KVM_ASSIGN_SET_MSIX_NR, 0x4008ae73);
UAPI_IS(KVM_ASSIGN_SET_MSIX_ENTRY, 0x4010ae74);
UAPI_IS(KVM_DEASSIGN_DEV_IRQ, 0x4040ae75);
UAPI_IS(KVM_ASSIGN_SET_INTX_MASK, 0x4040aea4);
UAPI_IS(KVM_DEV_ASSIGN_ENABLE_IOMMU, 1);
UAPI_IS(KVM_DEV_ASSIGN_PCI_2_3, 2);
UAPI_IS(KVM_DEV_ASSIGN_MASK_INTX, 4);
UAPI_IS(KVM_DEV_IRQ_HOST_MSIX, 4);
UAPI_IS(KVM_DEV_IRQ_GUEST_MSIX, 0x400);
UAPI_IS(KVM_MAX_MSIX_PER_DEV, 256);
UAPI_IS(sizeof(struct kvm_assigned_pci_dev), 64);
UAPI_IS(offsetof(struct kvm_assigned_pci_dev, flags), 12);
UAPI_IS(offsetof(struct kvm_assigned_pci_dev, segnr), 16);
UAPI_IS(sizeof(struct kvm_assigned_irq), 64);
UAPI_IS(offsetof(struct kvm_assigned_irq, guest_irq), 8);
UAPI_IS(offsetof(struct kvm_assigned_irq, flags), 12);
UAPI_IS(sizeof(struct kvm_assigned_msix_nr), 8);
UAPI_IS(offsetof(struct kvm_assigned_msix_nr, entry_nr), 4);
UAPI_IS(sizeof(struct kvm_assigned_msix_entry), 16);
UAPI_IS(offsetof(struct kvm_assigned_msix_entry, entry), 8);
