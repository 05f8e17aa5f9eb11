# SPDX-License-Identifier: BSD-3-Clause
#
# Part of `oracle`: where its kernel and its QEMU come from. Both are Debian packages of the
# backports suite of the release after this one, downloaded once into $cache and unpacked there;
# nothing is installed. They come from the mirror that apt on this machine is configured with,
# through an apt with lists, sources and state of its own, so apt checks signatures and hashes as
# always and the system's apt is left alone. Messages never name the mirror.
#
# Uses $work, $cache, $kernel (given: none is downloaded), $refresh, $suite if set; sets
# the array qemu and $busybox. Callers have `unavailable`.

suite=${suite:-${ORACLE_SUITE:-trixie-backports}}
qemu_wanted=9 # older ones have no igb and lose MSI-X interrupts of nvme under recent kernels

private_apt()
{
	local tool=$1 state=$work/apt
	shift
	"$tool" -qq -o Dir::State="$state" -o Dir::State::status=/dev/null \
		-o Dir::Cache="$state/cache" \
		-o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root \
		-o Debug::NoLocking=1 -o Acquire::Languages=none -o Acquire::Retries=3 "$@" \
		2> >(sed -E 's#[a-z]+://[^ ]*#(mirror)#g' >&2)
}

private_apt_init()
{
	local mirror key=/usr/share/keyrings/debian-archive-keyring.gpg

	[ ! -e "$work/apt/sources.list" ] || return 0
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep -v security | head -n 1 || true)
	[ -n "$mirror" ] || unavailable "apt has no mirror configured (or no lists: apt-get update)"
	mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
	printf "deb [signed-by=$key] $mirror %s main\n" "$suite" "${suite%-backports}" | sort -u \
		> "$work/apt/sources.list"
	private_apt apt-get update >&2 || unavailable "cannot update the package lists of $suite"
}

# Leaves $cache/kernel/{vmlinuz,config,version,modules/}.
fetch_kernel()
{
	local version parts deb mods new=$work/kernel tree=$work/tree

	echo "oracle: downloading the kernel of $suite, once" >&2
	private_apt_init
	mkdir -p "$new" "$tree" "$work/debs"
	# The metapackage depends on the current kernel's package; its files are there or, in newer
	# releases, in packages for the binary and the modules.
	version=$(private_apt apt-cache show linux-image-amd64 | grep '^Depends:' |
		grep -oE 'linux-image-[0-9][^ ,(]*' | sort -V | tail -n 1 || true)
	version=${version#linux-image-}
	[ -n "$version" ] || unavailable "$suite has no kernel"
	parts=$(private_apt apt-cache show "linux-image-$version" |
		grep -oE 'linux-(base|binary|modules)-[0-9][^ ,]*' | sort -u || true)
	# shellcheck disable=SC2086
	(cd "$work/debs" && private_apt apt-get download "linux-image-$version" $parts) >&2 ||
		unavailable "cannot download the kernel"
	for deb in "$work"/debs/*.deb; do
		dpkg-deb -x "$deb" "$tree"
	done
	mods=$(find "$tree" -type d -path "*/modules/$version" | head -n 1)
	[ -d "$mods/kernel" ] || unavailable "the kernel package has no modules where expected"
	for f in vmlinuz config; do
		if [ -e "$mods/$f" ]; then
			mv "$mods/$f" "$new/$f"
		else
			mv "$tree/boot/$f-$version" "$new/$f"
		fi
	done
	mv "$mods/kernel" "$new/modules"
	{
		echo -n "$version "
		dpkg-deb -f "$(ls "$work"/debs/linux-image-*.deb | head -n 1)" Version
	} > "$new/version"
	rm -rf "$cache/kernel" "$tree" "$work/debs"
	mv "$new" "$cache/kernel"
}

# Leaves QEMU and all that it needs in $cache/qemu, to be run with its own dynamic loader.
fetch_qemu()
{
	local deb

	echo "oracle: downloading the QEMU of $suite, once" >&2
	private_apt_init
	private_apt apt-get install -y --download-only --no-install-recommends -t "$suite" \
		qemu-system-x86 >&2 || unavailable "cannot download QEMU; set ORACLE_QEMU"
	for deb in "$work"/apt/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$work/qemu"
	done
	rm -rf "$cache/qemu"
	mv "$work/qemu" "$cache/qemu"
}

find_qemu()
{
	local lib=$cache/qemu/usr/lib/x86_64-linux-gnu share=$cache/qemu/usr/share major

	if [ -n "${ORACLE_QEMU:-}" ]; then
		read -ra qemu <<< "$ORACLE_QEMU"
		return
	fi
	major=$(qemu-system-x86_64 --version 2> /dev/null | grep -oE '[0-9]+' | head -n 1 || true)
	if [ "${major:-0}" -ge $qemu_wanted ]; then
		qemu=(qemu-system-x86_64)
		return
	fi
	if [ -n "$refresh" ] || [ ! -d "$cache/qemu" ]; then
		fetch_qemu
	fi
	export QEMU_MODULE_DIR=$lib/qemu
	qemu=("$lib/ld-linux-x86-64.so.2" --library-path "$lib:$lib/pulseaudio"
		"$cache/qemu/usr/bin/qemu-system-x86_64" -L "$share/qemu" -L "$share/seabios")
}

# A static busybox: the system's, or one that is downloaded.
find_busybox()
{
	busybox=$(command -v busybox || true)
	if [ -n "$busybox" ] && ! ldd "$busybox" > /dev/null 2>&1; then
		return
	fi
	busybox=$cache/busybox/bin/busybox
	[ ! -x "$busybox" ] || return 0
	private_apt_init
	(cd "$work" && private_apt apt-get download busybox-static >&2) ||
		unavailable "no static busybox"
	dpkg-deb -x "$work"/busybox-static_*.deb "$cache/busybox"
	[ -d "$cache/busybox/bin" ] || ln -s usr/bin "$cache/busybox/bin"
}

fetch_all()
{
	for tool in apt-get dpkg-deb cpio xz flock timeout; do
		command -v $tool > /dev/null || unavailable "$tool is not installed"
	done
	mkdir -p "$cache"
	exec 9> "$cache/lock"
	flock 9 # one download at a time
	if [ -z "$kernel" ] && { [ -n "$refresh" ] || [ ! -e "$cache/kernel/version" ]; }; then
		fetch_kernel
	fi
	find_qemu
	find_busybox
	exec 9>&-
}
