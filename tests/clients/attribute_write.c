/* SPDX-License-Identifier: BSD-3-Clause */
/* attribute_write FILE TEXT: what `echo TEXT > FILE` does. Linked statically, so that no preloaded
 * library sees it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_WRONLY);
	if (fd < 0 || write(fd, argv[2], strlen(argv[2])) < 0) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
