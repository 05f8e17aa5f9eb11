# SPDX-License-Identifier: BSD-3-Clause
"""Whether a session is whole: it opens, what its names say of the bindings agrees, its lock is
free, and unbinding, binding, removing and finding work as in a new one."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("UVFIO_BUILD", ROOT / "build"))
UVFIO = str(BUILD / "src/cli/uvfio")
LIMIT = 90

SCRIPT = r"""
set -e
P=/sys/bus/pci
V=$P/drivers/vfio-pci
B=0000:01:00.0
fail() { echo "$*"; exit 1; }
agrees() {
	for D in $P/devices/*; do
		name=$(basename $D)
		[ -e $D/vendor ] || fail "$name leads nowhere"
		for driver in $P/drivers/*; do
			[ ! -e $driver/$name ] || [ "$(readlink -f $D/driver)" = $driver ] ||
				fail "$driver has $name wrongly"
		done
		[ ! -e $D/driver ] || [ -e $(readlink -f $D/driver)/$name ] ||
			fail "the driver of $name does not know it"
		group=$(basename $(readlink $D/iommu_group))
		[ -e /sys/kernel/iommu_groups/$group/devices/$name ] ||
			fail "$name is not in its group"
		if [ "$(readlink -f $D/driver)" = $V ]; then
			[ -c /dev/vfio/$group ] || fail "no /dev/vfio/$group of $name"
			[ -e /sys/class/vfio/$group ] || fail "no class device of $group"
			[ -d $D/vfio-dev ] || fail "no vfio-dev of $name"
		fi
	done
	for node in /dev/vfio/[0-9]*; do
		[ -e $node ] || continue
		user=
		for D in /sys/kernel/iommu_groups/$(basename $node)/devices/*; do
			[ "$(readlink -f $D/driver)" != $V ] || user=$D
		done
		[ -n "$user" ] || fail "$node is nobody's"
	done
}
echo 1 > $P/rescan
[ -e $P/devices/$B ] || fail "$B is not found again"
agrees
free() { if [ -e $P/devices/$B/driver ]; then echo $B > $P/devices/$B/driver/unbind; fi; }
free
[ ! -e $P/devices/$B/driver ] && [ ! -e $V/$B ] || fail "bound after unbind"
agrees
echo vfio-pci > $P/devices/$B/driver_override
echo $B > $V/bind
[ "$(readlink -f $P/devices/$B/driver)" = $V ] || fail "not bound after bind"
agrees
[ "$(od -An -tx1 -N4 $P/devices/$B/config)" = " 36 1b 10 00" ] || fail "config space"
echo 1 > $P/devices/$B/remove
[ ! -e $P/devices/$B ] || fail "there after remove"
agrees
echo 1 > $P/rescan
echo vfio-pci > $P/devices/$B/driver_override
free
echo $B > $V/bind
agrees
"""


def check(session, base):
    """None, or what is wrong."""
    try:
        done = subprocess.run([UVFIO, "run", "--session", str(session), "--", "sh", "-c", SCRIPT],
                              env=dict(os.environ, UVFIO_DIR=str(base)), timeout=LIMIT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired as late:
        return f"it hangs: {late.stdout}"
    return f"status {done.returncode}: {done.stdout}" if done.returncode else None
