# SPDX-License-Identifier: BSD-3-Clause
#
# Part of `oracle`: the guest's file system, a cpio archive with busybox, the modules in the order
# in which they have to be loaded, the payload with its libraries, and `init` from this folder.
#
# Uses $work, $cache, $here, $busybox, the arrays modules and envs; leaves $work/initramfs.

declare -A module_seen=()

# Copies a module after those that it depends on, as its .modinfo section tells.
add_module()
{
	local name=${1//-/_} file dep

	[ -z "${module_seen[$name]:-}" ] || return 0
	module_seen[$name]=1
	file=$(find "$cache/kernel/modules" -name "${name//_/[-_]}.ko*" | head -n 1)
	if [ -z "$file" ]; then
		echo "oracle: the kernel has no module $name (built in?)" >&2
		return 0
	fi
	case $file in
	*.xz) xz -dc "$file" ;;
	*.zst) zstd -qdc "$file" ;;
	*) cat "$file" ;;
	esac > "$root/modules/$name.ko"
	for dep in $(tr '\0' '\n' < "$root/modules/$name.ko" | sed -n 's/^depends=//p' |
		tr , ' '); do
		add_module "$dep"
	done
	echo "$name" >> "$root/modules/order"
}

add_payload()
{
	local file lib

	if [ -d "$1" ]; then
		cp -a "$1/." "$root/payload/"
	else
		cp -L "$1" "$root/payload/run"
	fi
	[ -x "$root/payload/run" ] || die "$1: nothing executable to run"
	for file in "$root"/payload/*; do
		[ -f "$file" ] || continue
		for lib in $(ldd "$file" 2> /dev/null | grep -oE '/[^ ]+' || true); do
			[ -e "$root$lib" ] && continue
			mkdir -p "$root${lib%/*}"
			cp -L "$lib" "$root$lib"
		done
	done
}

# build_initramfs PAYLOAD [ARGS...]
build_initramfs()
{
	local payload=$1 name root=$work/root
	shift

	mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,etc,modules,payload}
	cp "$busybox" "$root/bin/busybox"
	cp "$here/init" "$root/init"
	chmod +x "$root/init"
	echo 'root:x:0:0:root:/:/bin/sh' > "$root/etc/passwd"
	: > "$root/modules/order"
	for name in "${modules[@]}"; do
		add_module "$name"
	done
	add_payload "$payload"
	{
		[ ${#envs[@]} = 0 ] || printf 'export %q\n' "${envs[@]}"
		echo 'cd /payload'
		printf 'exec ./run'
		[ $# = 0 ] || printf ' %q' "$@"
		echo
	} > "$root/start"
	(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0) > "$work/initramfs"
}
