# SPDX-License-Identifier: BSD-3-Clause
#
# What the client tests share: where uvfio is, a folder to work in, checks with names, and how a
# test ends. A test is a bash script that sources this file, calls `check NAME COMMAND...` and ends
# with `finish`. Exit status: 0, 1 when a check failed, 77 when something that is needed is not
# there.
set -uo pipefail

clients=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export UVFIO=${UVFIO:-$clients/../../uvfio}
export UVFIO_BUILD=${UVFIO_BUILD:-$clients/../../build}
BDF=0000:01:00.0
passed=0
failed=0

work=$(mktemp -d "${TMPDIR:-/tmp}/uvfio-client.XXXXXX")
trap 'rm -rf "$work"' EXIT

skip()
{
	echo "skipped: $*"
	[ "${CI:-}" != true ] || exit 1
	exit 77
}

# need PROGRAM...: all of them, or the test is skipped.
need()
{
	local program

	for program; do
		command -v "$program" > /dev/null || skip "$program is not installed"
	done
	[ -x "$UVFIO" ] || skip "uvfio is not built"
}

ok()
{
	passed=$((passed + 1))
	echo "ok: $1"
}

not_ok()
{
	failed=$((failed + 1))
	echo "FAILED: $1"
	[ ! -s "$work/log" ] || tail -n 20 "$work/log" | sed 's/^/    /'
}

# check NAME COMMAND...: the command, its output in $work/log, has to succeed.
check()
{
	local name=$1
	shift
	: > "$work/log"
	if "$@" > "$work/log" 2>&1 < /dev/null; then
		ok "$name"
	else
		not_ok "$name (status $?)"
	fi
}

# check_fails NAME COMMAND...: it has to fail, and not by a signal or a limit of time.
check_fails()
{
	local name=$1 status
	shift
	"$@" > "$work/log" 2>&1 < /dev/null
	status=$?
	if [ $status -gt 0 ] && [ $status -lt 124 ]; then
		ok "$name"
	else
		not_ok "$name (status $status)"
	fi
}

# check_status NAME STATUS WANTED: of a command whose output is in $work/log.
check_status()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1 (status $2, wanted $3)"
	fi
}

# check_log NAME PATTERN: what the last command printed has a line like this.
check_log()
{
	if grep -qE -- "$2" "$work/log"; then
		ok "$1"
	else
		not_ok "$1 (no line like $2)"
	fi
}

# check_log_lacks NAME PATTERN: it has none.
check_log_lacks()
{
	if grep -qE -- "$2" "$work/log"; then
		not_ok "$1"
	else
		ok "$1"
	fi
}

# uvfio_run DEVICE-OPTIONS COMMAND...: the command in a session with one NVMe controller.
uvfio_run()
{
	local options=$1
	shift
	timeout --foreground -k 5 "${LIMIT:-120}" "$UVFIO" run -d "nvme,at=$BDF,$options" -- "$@"
}

finish()
{
	echo "$passed passed, $failed failed, 0 skipped"
	[ $failed = 0 ] && [ $passed != 0 ]
	exit $?
}
