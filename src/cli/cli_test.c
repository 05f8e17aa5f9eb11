/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line as its user sees it: exit status, and what stands on stdout and stderr. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static const char *uvfio;
static char base[] = "/tmp/uvfio-cli-XXXXXX";

struct outcome {
	int status;
	char out[16384];
};

static void run(struct outcome *o, const char *args)
{
	char command[4096];
	FILE *pipe;
	size_t len;

	snprintf(command, sizeof(command), "cd %s && export UVFIO_DIR=%s UVFIO=%s; %s %s 2>&1",
		 base, base, uvfio, uvfio, args);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	len = fread(o->out, 1, sizeof(o->out) - 1, pipe);
	o->out[len] = '\0';
	o->status = pclose(pipe);
	ck_assert(WIFEXITED(o->status));
	o->status = WEXITSTATUS(o->status);
}

static void setup(void)
{
	unsetenv("UVFIO_SESSION");
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_ptr_nonnull(mkdtemp(base));
}

static void teardown(void)
{
	char command[128];

	/* Nothing may be left of a session that was not kept. */
	snprintf(command, sizeof(command), "! ls -d %s/uvfio-* 2>/dev/null", base);
	ck_assert_int_eq(system(command), 0);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	ck_assert_int_eq(system(command), 0);
}

static const struct {
	const char *args;
	int status;
	const char *words[3]; /* in the output */
} cases[] = {
	{ "--help", 0, { "run", "models", "unbind" } },
	{ "--version", 0, { "uvfio " } },
	{ "", 2, { "Usage" } },
	{ "frobnicate", 2, { "\"frobnicate\"", "uvfio --help" } },
	{ "models", 0, { "nvme:", "file", "driver" } },
	{ "models --json nvme",
	  0,
	  { "\"name\": \"nvme\"", "\"default\": \"1G\"", "\"every model\"" } },
	{ "models nvm", 2, { "\"nvm\"" } },
	{ "run --help", 0, { "--dma-errors", "--iommu", "128 + N" } },
	{ "run", 2, { "no command" } },
	{ "run -- true", 0, { "" } },
	{ "run true", 0, { "" } },
	{ "run -- sh -c 'exit 7'", 7, { "" } },
	{ "run -- sh -c 'kill -KILL $$'", 137, { "" } },
	{ "run -- nosuchprogram", 2, { "\"nosuchprogram\"", "No such file" } },
	{ "run -- /tmp", 2, { "\"/tmp\"", "Permission denied" } },
	{ "run -- /bin/busybox true", 2, { "/bin/busybox", "statically", "UVFIO_ESCAPE=1" } },
	{ "run --allow-escape -- /bin/busybox true", 0, { "" } },
	{ "run --allow-escape -- sh -c '/bin/busybox echo yes'", 0, { "yes\n" } },
	{ "run -- sh -c 'busybox echo; echo $?'", 0, { "/busybox is statically", "126\n" } },
	{ "run -- sh -c 'UVFIO_ESCAPE=1 busybox echo yes'", 0, { "yes\n" } },
	{ "run -- /sbin/ldconfig -V", 0, { "ldconfig" } },
	{ "run -d nvmee -- true", 2, { "\"nvmee\"", "\"nvme\"" } },
	{ "run -d nvme,fil=x -- true", 2, { "\"fil\"", "\"file\"" } },
	{ "run -d nvme,at=1 -- true", 2, { "at=1", "0000:01:00.0" } },
	{ "run -d nvme,driver=e1000 -- true", 2, { "e1000", "vfio-pci" } },
	{ "run -d nvme,driver=ioatdma -- true", 2, { "ioatdma", "not for this device" } },
	{ "run -d nvme,driver=pci-stub -- $UVFIO ls", 0, { "pci-stub" } },
	{ "run -d nvme,file=missing.img -- true", 2, { "missing.img", "No such file" } },
	{ "run -d igb,mac=zz -- true", 2, { "igb at 0000:01:00.0: mac=zz", "52:54:00" } },
	{ "run --trace -- true", 2, { "--trace=bind" } },
	{ "run -m missing.ini -- true", 2, { "missing.ini" } },
	{ "run --iommu arm -- true", 2, { "\"arm\"", "intel" } },
	{ "run --memlock 5Q -- true", 2, { "\"5Q\"" } },
	{ "run --caps fly -- true", 2, { "\"fly\"" } },
	{ "run --user nosuchuser -- true", 2, { "\"nosuchuser\"" } },
	{ "run --dma-errors=maybe -- true", 2, { "maybe", "warn" } },
	{ "run --session /nonexistent -- true", 2, { "/nonexistent" } },
	{ "run --stats -- true", 0, { "mappings", "0000:01:00.0" } },
	{ "run -d nvme -d nvme -- $UVFIO ls", 0, { "0000:01:00.0", "0000:02:00.0", "vfio-pci" } },
	{ "run --iommu none -- $UVFIO ls --json", 0, { "\"group\": null", "\"driver\": null" } },
	{ "run -- cat /sys/class/iommu/ivhd0/amd-iommu/cap", 0, { "1f03000f" } },
	{ "run --user 1000 -- head -c1 /dev/vfio/2", 1, { "Permission denied" } },
	{ "run -- sh -c '$UVFIO unbind 0000:01:00.0 && $UVFIO ls'", 0, { " -\n" } },
	{ "run -- sh -c '$UVFIO unbind 01:00.0 && $UVFIO ls'", 0, { " -\n" } },
	{ "run -- $UVFIO unbind 0000:09:00.0", 2, { "0000:09:00.0", "uvfio ls" } },
	{ "run -d nvme,driver=none -- $UVFIO unbind 0000:01:00.0", 2, { "no driver" } },
	{ "run -- $UVFIO bind 0000:01:00.0 e1000", 2, { "e1000", "vfio-pci" } },
	{ "mdev", 2, { "Usage", "create", "Exit status" } },
	{ "mdev --help", 0, { "Usage", "PARENT TYPE" } },
	{ "mdev frob", 2, { "\"frob\"", "types, list, create or remove" } },
	{ "run -- $UVFIO mdev types mtty", 2, { "no parents", "modprobe mtty", "--module" } },
	{ "run --module mtty -- $UVFIO mdev types",
	  0,
	  { "available", "mtty-1                   24", "Dual port serial" } },
	{ "run --module mtty -- $UVFIO mdev types x", 2, { "x: no such parent; take mtty" } },
	{ "run --module mtty -- $UVFIO mdev create mtty", 2, { "uvfio mdev types" } },
	{ "run --module mtty -- $UVFIO mdev create mtty mtty-3", 2, { "take mtty-1, mtty-2" } },
	{ "run --module mtty -- $UVFIO mdev create mtty mtty-1 x", 2, { "\"x\" is no UUID" } },
	{ "run --module mtty -- sh -c '$UVFIO mdev create mtty mtty-1 " UUID
	  "; $UVFIO mdev list --json; $UVFIO mdev create mtty mtty-2 " UUID "'",
	  1,
	  { "\"type\": \"mtty-1\"", "File exists", "another UUID" } },
	{ "run --module mtty -- sh -c 'while $UVFIO mdev create mtty mtty-2; do :; done; exit 1'",
	  1,
	  { "mtty-2: no instance is left (No space left on device)" } },
	{ "run --module mtty -- sh -c '$UVFIO mdev create mtty mtty-1 " UUID
	  " && $UVFIO mdev remove " UUID " && $UVFIO mdev remove " UUID "'",
	  2,
	  { UUID ": no such instance" } },
	{ "run --module none.so -- true", 2, { "none.so", "No such file" } },
	{ "run -d nvme,driver=none -- sh -c '$UVFIO bind 0000:01:00.0; $UVFIO ls'",
	  0,
	  { "vfio-pci" } },
};

START_TEST(outcomes)
{
	struct outcome o;

	run(&o, cases[_i].args);
	ck_assert_msg(o.status == cases[_i].status, "uvfio %s: status %d, \"%s\"", cases[_i].args,
		      o.status, o.out);
	for (int w = 0; w < 3 && cases[_i].words[w]; w++)
		ck_assert_msg(strstr(o.out, cases[_i].words[w]), "uvfio %s: \"%s\" has no %s",
			      cases[_i].args, o.out, cases[_i].words[w]);
	/* A refusal is one line, but behind what a command before it has printed. */
	if (o.status == 2 && strncmp(o.out, "Usage", 5) && strncmp(o.out, UUID, strlen(UUID)))
		ck_assert_ptr_eq(strchr(o.out, '\n'), o.out + strlen(o.out) - 1);
}
END_TEST

START_TEST(what_the_user_has_set_stays)
{
	struct outcome o;

	setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_max=7:glibc.malloc.check=0", 1);
	setenv("LD_PRELOAD", "libc.so.6", 1);
	run(&o, "run -- sh -c 'echo $GLIBC_TUNABLES $LD_PRELOAD'");
	ck_assert_ptr_nonnull(strstr(o.out, "mmap_max=7"));
	ck_assert_ptr_null(strstr(o.out, "mmap_max=0"));
	ck_assert_ptr_nonnull(strstr(o.out, "trim_threshold="));
	ck_assert_ptr_nonnull(strstr(o.out, "libc.so.6:"));
	unsetenv("GLIBC_TUNABLES");
	unsetenv("LD_PRELOAD");
}
END_TEST

START_TEST(a_kept_session)
{
	static const char *const fixed[] = { "-d nvme", "--iommu intel", "--user 1000",
					     "--caps none", "--memlock 1M" };
	struct outcome o;
	char args[512], dir[128], *where;

	run(&o, "run --keep -- sh -c 'echo none-such >/sys/bus/pci/devices/0000:01:00.0/"
		"driver_override'");
	ck_assert_int_eq(o.status, 0);
	where = strstr(o.out, "/tmp/");
	ck_assert_ptr_nonnull(where);
	snprintf(dir, sizeof(dir), "%.*s", (int)strcspn(where, "\n"), where);
	snprintf(args, sizeof(args),
		 "run --session %s -- cat /sys/bus/pci/devices/0000:01:00.0/"
		 "driver_override",
		 dir);
	run(&o, args);
	ck_assert_int_eq(o.status, 0);
	ck_assert_str_eq(o.out, "none-such\n");
	/* What a session is made of cannot be given again. */
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		snprintf(args, sizeof(args), "run %s --session %s -- true", fixed[i], dir);
		run(&o, args);
		ck_assert_int_eq(o.status, 2);
		ck_assert_ptr_nonnull(strstr(o.out, "--session"));
	}
	/* Outside of it, it is the only one. */
	run(&o, "ls");
	ck_assert_int_eq(o.status, 0);
	ck_assert_ptr_nonnull(strstr(o.out, "0000:01:00.0"));
	snprintf(args, sizeof(args), "rm -rf %s/uvfio-*", base);
	ck_assert_int_eq(system(args), 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("cli");
	TCase *tc = tcase_create("cli");
	SRunner *runner;
	int failed;

	if (argc != 2)
		return 2;
	uvfio = realpath(argv[1], NULL);
	if (!uvfio)
		return 2;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, outcomes, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, what_the_user_has_set_stays);
	tcase_add_test(tc, a_kept_session);
	tcase_set_timeout(tc, 20);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
