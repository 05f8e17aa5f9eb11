/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs made for the purpose: ELF headers and scripts in a folder of the test's own. */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/program.h"

static char dir[] = "/tmp/uvfio-program.XXXXXX";
static struct program program;

static const char *name(const char *base)
{
	static char path[4][256];
	static unsigned int turn;
	char *out = path[turn++ % 4];

	snprintf(out, sizeof(path[0]), "%s/%s", dir, base);
	return out;
}

static const char *make(const char *base, const void *data, size_t len, mode_t mode)
{
	const char *path = name(base);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static const char *script(const char *base, const char *text)
{
	return make(base, text, strlen(text), 0755);
}

/* An ELF file's head; @interp NULL: none. */
static const char *elf(const char *base, unsigned char class, uint16_t arch, const char *interp,
		       mode_t mode)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr phdr[2];
		char interp[64];
	} file = { .head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class },
			     .e_type = ET_DYN,
			     .e_machine = arch,
			     .e_phoff = sizeof(Elf64_Ehdr),
			     .e_phentsize = sizeof(Elf64_Phdr),
			     .e_phnum = interp ? 2 : 1 },
		   .phdr = { { .p_type = PT_LOAD }, { .p_type = PT_INTERP } } };

	if (interp) {
		strcpy(file.interp, interp);
		file.phdr[1].p_offset = (size_t)(file.interp - (char *)&file);
		file.phdr[1].p_filesz = strlen(interp) + 1;
	}
	return make(base, &file, sizeof(file), mode);
}

#define GLIBC "/lib64/ld-linux-x86-64.so.2"

static const char *why(const char *path)
{
	program_inspect(path, &program);
	return program.why ? program.why : "";
}

#define assert_why(path, words) ck_assert_msg(strstr(why(path), words), "%s", why(path))
#define assert_fine(path)	ck_assert_str_eq(why(path), "")

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
}

static void teardown(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(a_dynamic_program_is_fine)
{
	assert_fine(elf("dynamic", ELFCLASS64, EM_X86_64, GLIBC, 0755));
	ck_assert_int_eq(program.libc, PROGRAM_GLIBC);
	assert_fine("/bin/sh");
}
END_TEST

START_TEST(others_are_not)
{
	assert_why(elf("static", ELFCLASS64, EM_X86_64, NULL, 0755), "statically linked");
	assert_why(elf("i386", ELFCLASS32, EM_386, GLIBC, 0755), "32-bit");
	assert_why(elf("x32", ELFCLASS32, EM_X86_64, GLIBC, 0755), "32-bit");
	assert_why(elf("arm", ELFCLASS64, EM_AARCH64, GLIBC, 0755), "another architecture");
	assert_why(elf("other", ELFCLASS64, EM_X86_64, "/lib/ld-other.so.1", 0755),
		   "another C library");
	ck_assert_int_eq(program.libc, PROGRAM_OTHER_LIBC);
	assert_fine(elf("musl", ELFCLASS64, EM_X86_64, "/lib/ld-musl-x86_64.so.1", 0755));
	ck_assert_int_eq(program.libc, PROGRAM_MUSL);
	ck_assert(!program.secure);
}
END_TEST

START_TEST(what_the_kernel_refuses_is_its_business)
{
	assert_fine(name("missing"));
	assert_fine(dir);
	assert_fine(elf("no-x", ELFCLASS64, EM_X86_64, NULL, 0644));
	assert_fine(make("empty", "", 0, 0755));
	ck_assert(program.shell);
}
END_TEST

START_TEST(a_script_is_its_interpreter)
{
	char text[300], shell[300];

	elf("static", ELFCLASS64, EM_X86_64, NULL, 0755);
	elf("dynamic", ELFCLASS64, EM_X86_64, GLIBC, 0755);
	snprintf(text, sizeof(text), "#! %s -x\necho\n", name("static"));
	assert_why(script("one", text), "statically linked");
	ck_assert_str_eq(program.path, name("static"));
	snprintf(text, sizeof(text), "#!%s\n", name("one"));
	assert_why(script("two", text), "statically linked");
	snprintf(shell, sizeof(shell), "#!%s", name("dynamic"));
	assert_fine(script("three", shell));
	ck_assert(!program.shell);
	/* In a circle: the kernel's ELOOP. */
	snprintf(text, sizeof(text), "#!%s\n", name("circle"));
	assert_fine(script("circle", text));
}
END_TEST

START_TEST(the_message_names_both)
{
	char text[300], line[1024], expect[600];

	elf("static", ELFCLASS64, EM_X86_64, NULL, 0755);
	snprintf(text, sizeof(text), "#!%s\n", name("static"));
	script("one", text);
	program_inspect(name("one"), &program);
	ck_assert_uint_eq(program_message(&program, name("one"), line, sizeof(line)), strlen(line));
	snprintf(expect, sizeof(expect),
		 "uvfio: %s: its interpreter %s is statically linked, so that LD_PRELOAD does not "
		 "reach it; take a dynamically linked build, or run it outside of the session with "
		 "UVFIO_ESCAPE=1\n",
		 name("one"), name("static"));
	ck_assert_str_eq(line, expect);
	ck_assert_uint_eq(program_message(&program, name("one"), line, 20), 19);
	ck_assert_int_eq(line[18], '\n');
}
END_TEST

START_TEST(the_loader_is_judged_by_its_program)
{
	const char *st = elf("static", ELFCLASS64, EM_X86_64, NULL, 0755);
	const char *dyn = elf("dynamic", ELFCLASS64, EM_X86_64, GLIBC, 0755);
	char *loads[] = { (char *)"ld.so", (char *)"--library-path", (char *)"/lib", (char *)st,
			  NULL };

	program_inspect_call(GLIBC, loads, &program);
	ck_assert_ptr_nonnull(program.why);
	loads[3] = (char *)dyn;
	program_inspect_call(GLIBC, loads, &program);
	ck_assert_ptr_null(program.why);
	loads[1] = NULL;
	program_inspect_call(GLIBC, loads, &program);
	ck_assert_ptr_null(program.why);
}
END_TEST

/* In a child that is nobody: the exit status tells. */
static int as_nobody(const char *path, bool no_new_privs, uid_t effective)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
			_exit(9);
		if (setresgid(65534, 65534, 65534) || setresuid(65534, effective, effective))
			_exit(9);
		program_inspect(path, &program);
		_exit(program.why ? program.secure ? 1 : 2 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

START_TEST(rights_change_by_who_starts_it)
{
	const char *suid = elf("suid", ELFCLASS64, EM_X86_64, GLIBC, 04755);
	const char *sgid = elf("sgid", ELFCLASS64, EM_X86_64, GLIBC, 02755);
	const char *plain = elf("plain", ELFCLASS64, EM_X86_64, GLIBC, 0755);
	const char *hidden = elf("hidden", ELFCLASS64, EM_X86_64, GLIBC, 0711);

	if (geteuid() != 0)
		return;
	/* Root stays root: nothing changes. */
	assert_fine(suid);
	assert_fine(sgid);
	ck_assert_int_eq(chown(sgid, 0, 4), 0);
	ck_assert_int_eq(chmod(sgid, 02755), 0);
	assert_why(sgid, "setgid");
	ck_assert_int_eq(as_nobody(plain, false, 65534), 0);
	ck_assert_int_eq(as_nobody(suid, false, 65534), 1);
	ck_assert_int_eq(as_nobody(suid, true, 65534), 0);
	ck_assert_int_eq(as_nobody(sgid, false, 65534), 1);
	/* An effective user from before. */
	ck_assert_int_eq(as_nobody(plain, false, 0), 1);
	ck_assert_int_eq(as_nobody(hidden, false, 65534), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("program");
	TCase *tc = tcase_create("program");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_dynamic_program_is_fine);
	tcase_add_test(tc, others_are_not);
	tcase_add_test(tc, what_the_kernel_refuses_is_its_business);
	tcase_add_test(tc, a_script_is_its_interpreter);
	tcase_add_test(tc, the_message_names_both);
	tcase_add_test(tc, the_loader_is_judged_by_its_program);
	tcase_add_test(tc, rights_change_by_who_starts_it);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
