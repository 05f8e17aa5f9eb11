/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * argp with one line for each complaint. argp and getopt print theirs on stderr and a hint on a
 * line of its own, then exit: stderr is meanwhile a stream that ends after its first line.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

struct one_line {
	const char *name; /* "uvfio run" */
	char text[1024];
	size_t len;
	bool done;
};

static void print(struct one_line *line)
{
	size_t name = strlen(line->name);
	bool theirs = !strncmp(line->text, line->name, name) && line->text[name] == ':';

	line->done = true;
	dprintf(STDERR_FILENO, "%.*s", (int)line->len, line->text);
	if (theirs)
		dprintf(STDERR_FILENO, "; `%s --help` lists the options", line->name);
	dprintf(STDERR_FILENO, "\n");
}

static ssize_t take(void *cookie, const char *buf, size_t size)
{
	struct one_line *line = cookie;

	for (size_t i = 0; i < size && !line->done; i++) {
		if (buf[i] == '\n')
			print(line);
		else if (line->len < sizeof(line->text) - 1)
			line->text[line->len++] = buf[i];
	}
	return (ssize_t)size;
}

int parse_arguments(const struct argp *argp, int argc, char **argv, unsigned int flags, void *input)
{
	/* As long as the stream, which exit() may still write to. */
	static struct one_line line;
	const cookie_io_functions_t functions = { .write = take };
	FILE *before = stderr, *one = fopencookie(&line, "w", functions);
	int ret;

	if (!one)
		return argp_parse(argp, argc, argv, flags, NULL, input);
	line = (struct one_line){ .name = argv[0] };
	setvbuf(one, NULL, _IONBF, 0);
	stderr = one;
	ret = argp_parse(argp, argc, argv, flags, NULL, input);
	stderr = before;
	fclose(one);
	return ret;
}
