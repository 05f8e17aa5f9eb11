/* SPDX-License-Identifier: BSD-3-Clause */
/* attribute_stdio write|stdio FILE TEXT: stores the text with write(2), or through a stream of C's
 * stdio that is closed afterwards; one line of strerror(3) and status 1 when that fails. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int by_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -1;
	return close(fd);
}

static int by_stdio(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0)
		return -1;
	return fclose(file);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	if (!strcmp(argv[1], "write") ? by_write(argv[2], argv[3]) : by_stdio(argv[2], argv[3])) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
