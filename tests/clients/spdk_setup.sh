#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# spdk_setup.sh config|reset|status: what set-up scripts of user-space drivers do to NVMe
# controllers before and after a run, as they do it on any host: every failing command ends the
# script.
# HUGEMEM: MiB of huge pages, TARGET_USER: who gets the group's node.
set -e
shopt -s nullglob

nvme_devices()
{
	local dev

	for dev in /sys/bus/pci/devices/*; do
		if [ "$(cat "$dev/class")" = 0x010802 ]; then
			basename "$dev"
		fi
	done
}

driver_of()
{
	[ ! -e "/sys/bus/pci/devices/$1/driver" ] ||
		basename "$(readlink -f "/sys/bus/pci/devices/$1/driver")"
}

rebind()
{
	local bdf=$1 driver=$2 old ids

	old=$(driver_of "$bdf")
	[ "$old" != "$driver" ] || return 0
	ids="$(cat "/sys/bus/pci/devices/$bdf/vendor") $(cat "/sys/bus/pci/devices/$bdf/device")"
	if [ -n "$old" ]; then
		echo "$bdf" > "/sys/bus/pci/devices/$bdf/driver/unbind"
	fi
	echo "$driver" > "/sys/bus/pci/devices/$bdf/driver_override"
	echo "$bdf" > /sys/bus/pci/drivers_probe
	echo "" > "/sys/bus/pci/devices/$bdf/driver_override"
	if [ "$driver" = vfio-pci ]; then
		# Refused when the driver knows the numbers already.
		echo "$ids" > /sys/bus/pci/drivers/vfio-pci/new_id 2> /dev/null || true
	else
		echo "$ids" > /sys/bus/pci/drivers/vfio-pci/remove_id 2> /dev/null || true
	fi
	echo "$bdf: ${old:-no driver} -> $(driver_of "$bdf")"
}

huge_pages()
{
	local pages=$((HUGEMEM / 2)) got

	[ "$pages" -gt 0 ] || return 0
	echo "$pages" > /proc/sys/vm/nr_hugepages
	got=$(awk '/^HugePages_Total:/ {print $2}' /proc/meminfo)
	[ "$got" -ge "$pages" ] || {
		echo "only $got of $pages huge pages" >&2
		exit 1
	}
}

configure()
{
	local bdf group

	if ! grep -q '^vfio_pci ' /proc/modules; then
		modprobe vfio-pci
	fi
	lsmod | grep -q '^vfio_pci '
	[ -n "$(ls /sys/kernel/iommu_groups)" ] ||
		echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode
	for bdf in $(nvme_devices); do
		rebind "$bdf" vfio-pci
		group=/dev/vfio/$(basename "$(readlink -f "/sys/bus/pci/devices/$bdf/iommu_group")")
		if [ -n "${TARGET_USER:-}" ]; then
			chown "$TARGET_USER" "$group"
			echo "$group belongs to $(stat -c %U "$group")"
		fi
		test -c "$group"
	done
	huge_pages
}

case ${1:-} in
config) configure ;;
reset)
	modprobe nvme
	for bdf in $(nvme_devices); do
		rebind "$bdf" nvme
	done
	;;
status)
	for bdf in $(nvme_devices); do
		echo "$bdf $(driver_of "$bdf")"
	done
	;;
*)
	echo "usage: $0 config|reset|status" >&2
	exit 2
	;;
esac
