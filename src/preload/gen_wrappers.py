#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the interposers from wrappers.tbl (which explains the columns).

usage: gen_wrappers.py wrappers.tbl OUT.h OUT.c OUT.map OUT.exports
"""
import re
import sys

GUARDS = {
    "path": lambda a: f"path_maybe({a[0]})",
    "at": lambda a: f"path_maybe_at({a[0]}, {a[1]})",
    "at_empty": lambda a: f"path_maybe_at_empty({a[0]}, {a[1]})",
    "two": lambda a: f"(path_maybe({a[0]}) || path_maybe({a[1]}))",
    "at2": lambda a: f"(path_maybe_at({a[0]}, {a[1]}) || path_maybe_at({a[2]}, {a[3]}))",
    "fd": lambda a: f"door_fd({a[0]})",
    "pages": lambda a: f"door_fd_pages({a[0]})",
    "pages_or_dir": lambda a: f"(door_fd_pages({a[0]}) || door_fd_dir({a[0]}))",
    "huge": lambda a: f"huge_flag({a[0]}, {a[1]})",
    "fds": lambda a: f"(door_fd({a[0]}) || door_fd({a[1]}))",
    "close": lambda a: f"door_fd_close({a[0]})",
    "dir": lambda a: f"door_fd_dir({a[0]})",
    "fd_or_dir": lambda a: f"(door_fd({a[0]}) || door_fd_dir({a[0]}))",
    "fd_any": lambda a: f"door_fd_any({a[0]})",
    "socket": lambda a: f"door_wants_socket({a[0]}, {a[1]})",
    "uevent": lambda a: f"door_fd_uevent({a[0]})",
    "connect": lambda a: f"door_wants_connect({a[0]}, {a[1]}, {a[2]})",
    "recvmsg": lambda a: "door_on()",
    "sendmsg": lambda a: f"door_wants_sendmsg({a[0]})",
    "ioctl": lambda a: f"door_wants_ioctl({a[0]}, {a[1]})",
    "mmap": lambda a: f"door_wants_mmap({a[0]}, {a[1]})",
    "shm": lambda a: "huge_in_session()",
    "shmdt": lambda a: "(huge_in_session() || door_machine_lives())",
    "sigset": lambda a: f"({a[0]} && door_on())",
    "seccomp": lambda a: f"door_wants_seccomp({a[0]})",
    "mem": lambda a: "(door_machine_lives() || huge_mapped())",
    "on": lambda a: "door_on()",
    "waits": lambda a: "door_waits()",
    "sigset_or_waits": lambda a: f"(({a[0]} && door_on()) || door_waits())",
    "list": lambda a: "door_lists()",
    "identity": lambda a: "door_identity()",
    "attr": lambda a: "door_attrs()",
    "streams": lambda a: "door_streams()",
}

# What the wrapper proper asks where the guard itself would call a function: true whenever the guard
# may be. The slow half asks the guard.
FIRST = {
    "fd": "door_files_known()",
    "fds": "door_files_known()",
    "dir": "door_fds_known()",
    "fd_or_dir": "door_fds_known()",
    "pages": "door_fds_known()",
    "pages_or_dir": "door_fds_known()",
    "fd_any": "door_fds_known()",
    "close": "door_fds_known()",
    "uevent": "door_fds_known()",
    "sendmsg": "door_fds_known()",
}

# These wait, and a signal handler may leave them by longjmp: they stay on the caller's stack, of
# which they need little.
WAITING = {"sigset", "sigset_or_waits", "waits"}


class Row:
    def __init__(self, line, number):
        columns = [c.strip() for c in re.split(r"(?<!\|)\|(?!\|)", self.hide_or(line))]
        if len(columns) not in (3, 4):
            sys.exit(f"wrappers.tbl:{number}: three or four columns expected")
        self.number = number
        self.prototype = columns[0]
        match = re.match(r"^(.*?[\s*])(\w+)\((.*)\)$", self.prototype)
        if not match:
            sys.exit(f"wrappers.tbl:{number}: not a prototype: {self.prototype}")
        self.ret, self.name, params = match.group(1).strip(), match.group(2), match.group(3)
        self.params = [] if params == "void" else self.split(params)
        self.args = [self.param_name(p) for p in self.params]
        self.guard = self.parse_guard(columns[1])
        self.action = columns[2].replace("\0", "|")
        self.fresh = len(columns) == 4 and columns[3] == "fresh"
        self.own = self.action == "own"

    @staticmethod
    def hide_or(line):
        """A bitwise OR inside parentheses is no column border."""
        out, depth = [], 0
        for c in line:
            depth += (c == "(") - (c == ")")
            out.append("\0" if c == "|" and depth > 0 else c)
        return "".join(out)

    @staticmethod
    def split(text):
        parts, depth, start = [], 0, 0
        for i, c in enumerate(text):
            depth += (c == "(") - (c == ")")
            if c == "," and depth == 0:
                parts.append(text[start:i].strip())
                start = i + 1
        parts.append(text[start:].strip())
        return parts

    @staticmethod
    def param_name(param):
        match = re.search(r"\(\*(\w+)\)", param) or re.search(r"(\w+)(\[\])?$", param)
        return match.group(1) if match else "..."

    def parse_guard(self, text):
        if text == "-":
            return None
        match = re.match(r"^(\w+)(?:\((.*)\))?$", text)
        if not match or match.group(1) not in GUARDS:
            sys.exit(f"wrappers.tbl:{self.number}: unknown guard {text}")
        self.guard_args = [a.strip() for a in (match.group(2) or "").split(",")]
        self.guard_name = match.group(1)
        guard = GUARDS[match.group(1)](self.guard_args)
        self.first = FIRST.get(match.group(1), guard)
        return guard

    def declare(self, name):
        gap = "" if self.ret.endswith("*") else " "
        return f"{self.ret}{gap}{name}({', '.join(self.params) or 'void'})"

    @property
    def failure(self):
        return "NULL" if self.ret.endswith("*") else "-1"

    def real_call(self, args):
        return f"real_{self.name}({', '.join(args)})"

    @property
    def real_type(self):
        return f"real_{self.name}_fn"

    def translated(self, param):
        """The translated path is absolute: a directory fd before it no longer matters."""
        args = ["tp.real" if a == param else a for a in self.args]
        if "dirfd" in args:
            args[args.index("dirfd")] = "AT_FDCWD"
        return self.real_call(args)

    def action_lines(self):
        """What a call that is for us does: "return true" with *ret, or "return false"."""
        dirfd = "dirfd" if "dirfd" in self.args else "AT_FDCWD"
        match = re.match(r"^(tr|deny|make|no)(?:\((\w+)\))?$", self.action)
        if not match:
            call, rest = self.action.split("(", 1)
            if self.ret == "void":
                return [f"return {self.action};"]
            return [f"return {call}(ret{'' if rest == ')' else ', '}{rest};"]
        kind, arg = match.groups()
        fail = [f"*ret = {self.failure};", "return true;"]
        if kind == "no":
            return [f"errno = {arg};"] + fail
        param = arg if kind == "tr" and arg else "path"
        lines = ["struct tree_path tp;", "", f"if (!path_resolve({dirfd}, {param}, &tp))",
                 "\treturn false;"]
        real = f"*ret = {self.translated(param)};"
        if kind == "tr":
            return lines + [real, "return true;"]
        # Of the tree: an error; another file of the session's, or a name of huge pages: the call,
        # where it is.
        error = "path_make_error(&tp)" if kind == "make" else arg
        return lines + ["if (!tp.tree || huge_path(&tp)) {", "\t" + real, "\treturn true;", "}",
                        f"errno = {error};"] + fail

    def action_functions(self):
        """act_X does it, far_X has it done on a stack of the library's (base/stack.h)."""
        void = self.ret == "void"
        result = [] if void else [f"{self.ret}{'' if self.ret.endswith('*') else ' '}*ret"]
        action = self.action_lines()
        big = "__attribute__((noinline)) " if action[0].startswith("struct") else ""
        lines = [f"static {big}bool act_{self.name}("
                 f"{', '.join(result + self.params) or 'void'})", "{"]
        lines += ["\t" + line if line else "" for line in action]
        lines += ["}", ""]
        if self.guard_name in WAITING:
            return lines
        fields = result + self.params
        names = ([] if void else ["ret"]) + self.args
        lines += [f"struct far_{self.name} {{", "\tbool done;"]
        lines += [f"\t{self.field(f)};" for f in fields]
        lines += ["};", "", f"static void run_{self.name}(void *arg)", "{",
                  f"\tstruct far_{self.name} *far = arg;", "",
                  f"\tfar->done = act_{self.name}({', '.join(f'far->{n}' for n in names)});",
                  "}", "",
                  f"static __attribute__((noinline, cold)) bool far_{self.name}("
                  f"{', '.join(fields) or 'void'})", "{",
                  f"\tstruct far_{self.name} far = {{ {', '.join(['false'] + names)} }};", "",
                  f"\tstack_run(run_{self.name}, &far);", "\treturn far.done;", "}", ""]
        return lines

    @staticmethod
    def field(param):
        """A parameter as a member: an array is the pointer that it stands for."""
        return re.sub(r"^va_list (\w+)$", r"void *\1", re.sub(r"(\w+)\[\]$", r"*\1", param))

    def wrapper(self):
        """The wrapper proper is a test and a jump; what needs a stack frame stands beside it."""
        back = "" if self.ret == "void" else "return "
        real = self.real_call(self.args)
        fast = f"(({self.real_type})libc)({', '.join(self.args)})"
        if self.fresh:
            real, fast = f"door_fresh_fd({real})", f"door_fresh_fd({fast})"
        void = self.ret == "void"
        args = ", ".join(([] if void else ["&ret"]) + self.args)
        act = f"act_{self.name}({args})"
        if self.guard_name not in WAITING:
            act = f"unlikely(stack_is_short()) ? far_{self.name}({args}) : {act}"
        slow = self.action_functions()
        slow += [f"static __attribute__((noinline)) {self.declare(f'slow_{self.name}')}", "{"]
        if not void:
            slow += [f"\t{self.ret}{'' if self.ret.endswith('*') else ' '}ret;", ""]
        slow += [f"\tif ({self.guard}) {{", f"\t\tif ({act})",
                 "\t\t\treturn;" if void else "\t\t\treturn ret;"]
        slow += ["\t}", f"\t{back}{real};", "}", ""]
        lines = [self.declare(f"wrap_{self.name}"), "{",
                 f"\tvoid *libc = real_known(REAL_{self.name});", "",
                 f"\tif (unlikely(!libc || {self.first})) {{",
                 f"\t\t{back}slow_{self.name}({', '.join(self.args)});"]
        lines += ["\t\treturn;"] if self.ret == "void" else []
        lines += ["\t}", f"\t{back}{fast};", "}"]
        return "\n".join(slow + lines)


def read_table(path):
    rows = []
    with open(path, encoding="ascii") as table:
        for number, line in enumerate(table, 1):
            line = line.rstrip("\n")
            if line and not line.startswith("#"):
                rows.append(Row(line, number))
    names = [r.name for r in rows]
    for name in names:
        if names.count(name) > 1:
            sys.exit(f"wrappers.tbl: {name} stands there twice")
    return rows


def write_header(rows, path):
    with open(path, "w", encoding="ascii") as out:
        out.write("/* Made by gen_wrappers.py from wrappers.tbl. */\n"
                  "#ifndef PRELOAD_WRAPPERS_H\n#define PRELOAD_WRAPPERS_H\n\n"
                  '#include "preload/real.h"\n\n')
        out.write("enum real_index {\n")
        for row in rows:
            out.write(f"\tREAL_{row.name},\n")
        out.write("\tREAL_COUNT\n};\n\n")
        for row in rows:
            if "..." in row.args or row.name == "__asan_default_options":
                continue
            pointer = "1" if row.ret.endswith("*") else "0"
            out.write(f"typedef {row.declare(f'(*real_{row.name}_fn)')};\n")
            get = f'real_get(REAL_{row.name}, "{row.name}", {pointer})'
            out.write(f"#define real_{row.name} ((real_{row.name}_fn){get})\n")
        out.write("\n")
        for row in rows:
            out.write(f'{row.declare(f"wrap_{row.name}")}\n'
                      f'\t__asm__("{row.name}") __attribute__((visibility("default")));\n')
        out.write("\n#endif\n")


def write_source(rows, path):
    with open(path, "w", encoding="ascii") as out:
        out.write("/* Made by gen_wrappers.py from wrappers.tbl. */\n"
                  '#include "preload/wrappers.h"\n\n'
                  '#include "base/stack.h"\n#include "preload/doors.h"\n'
                  '#include "preload/guard.h"\n\n'
                  "_Atomic(void *) real_functions[REAL_COUNT];\n\n")
        out.write("\n\n".join(row.wrapper() for row in rows if not row.own))
        out.write("\n")


def main():
    table, header, source, version_map, exports = sys.argv[1:]
    rows = read_table(table)
    write_header(rows, header)
    write_source(rows, source)
    names = sorted(row.name for row in rows)
    with open(version_map, "w", encoding="ascii") as out:
        out.write("{\nglobal:\n" + "".join(f"\t{n};\n" for n in names) + "local:\n\t*;\n};\n")
    with open(exports, "w", encoding="ascii") as out:
        out.write("".join(f"{n}\n" for n in names))


main()
