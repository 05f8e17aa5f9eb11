# SPDX-License-Identifier: BSD-3-Clause
#
# Part of `selftests`: Linux's VFIO selftests, built from Debian's newest linux-source package. It
# comes as the oracle's packages do (tests/oracle/fetch.sh), once; what is kept in $cache are the
# built programs, one folder for each mode, and the package's version.
#
# The programs are Linux's but for one line: the IOMMU mode that their main() tries first, which has
# no option, is the mode of the folder instead of iommufd.
#
# Uses $work, $cache, $refresh, $suite if set. Callers have `unavailable`.

declare -A default_mode=([type1]=MODE_VFIO_TYPE1_IOMMU [type1v2]=MODE_VFIO_TYPE1V2_IOMMU)

# The first kernel that has drivers in them is 6.18.
newest_source()
{
	private_apt apt-cache search --names-only '^linux-source-[0-9.]+$' |
		grep -oE '^linux-source-[0-9.]+' | sort -V | tail -n 1 || true
}

build_mode()
{
	local tests=$tree/tools/testing/selftests/vfio

	sed -i "s/^\(const char \*default_iommu_mode = \).*/\1${default_mode[$1]};/" \
		"$tests/lib/iommu.c"
	grep -q "^const char \*default_iommu_mode = ${default_mode[$1]};" "$tests/lib/iommu.c" ||
		unavailable "the selftests' default mode is not where it was"
	mkdir -p "$new/$1" "$work/out-$1"
	make -s -C "$tests" OUTPUT="$work/out-$1" \
		KHDR_INCLUDES="-isystem $work/headers/usr/include" > "$work/log" 2>&1 || {
		tail -n 20 "$work/log"
		unavailable "the selftests do not build"
	}
	find "$work/out-$1" -maxdepth 1 -name '*_test' -exec cp {} "$new/$1/" \;
}

build_selftests()
{
	local package tree new=$work/new mode

	echo "selftests: downloading and building them, once" >&2
	private_apt_init
	package=$(newest_source)
	[ -n "$package" ] || unavailable "$suite has no linux-source package"
	mkdir -p "$work/debs" "$work/src" "$new"
	(cd "$work/debs" && private_apt apt-get download "$package") >&2 ||
		unavailable "cannot download $package"
	dpkg-deb --fsys-tarfile "$work"/debs/*.deb |
		tar -xO --wildcards "./usr/src/$package.tar.*" | xz -dc |
		tar -x -C "$work/src" --wildcards "$package"/{Makefile,Kbuild,Kconfig,scripts} \
		"$package"/{include,arch/x86,tools} "$package/drivers/*.h" ||
		unavailable "$package has another layout"
	tree=$work/src/$package
	[ -d "$tree/tools/testing/selftests/vfio" ] || unavailable "$package has no VFIO selftests"
	make -s -C "$tree" headers O="$work/headers" > "$work/log" 2>&1 ||
		unavailable "the kernel's headers cannot be made"
	for mode in type1 type1v2; do
		build_mode $mode
	done
	cp -R "$tree/tools/testing/selftests/vfio/scripts" "$new/"
	dpkg-deb -f "$work"/debs/*.deb Package Version | sed 's/.*: //' | paste -sd ' ' \
		> "$new/version"
	rm -rf "$cache/programs"
	mv "$new" "$cache/programs"
}
