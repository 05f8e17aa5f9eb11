/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uvfio keeper DIR`: takes the keeper's place in a session that outlives its `uvfio run`. Started
 * on demand by the library; goes into the background and ends when nobody talks to it any more.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "machine/keeper.h"

#define IDLE_MSEC 10000

int cmd_keeper(int argc, char **argv)
{
	struct session *session;
	struct keeper *keeper;
	struct pollfd fd;
	int ret;

	if (argc != 2)
		return fail("keeper DIRECTORY: for the library's own use");
	/* What a program of the session had open when it started us must not stay open here. */
	closefrom(3);
	ret = session_open(argv[1], &session);
	if (!ret)
		ret = session_hold(session);
	if (ret)
		return fail("%s is no session: %s", argv[1], strerror(-ret));
	/* Whoever started us waits for this process only. */
	if (daemon(0, 0) < 0)
		return fail("cannot go into the background: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	ret = keeper_create(session, &keeper);
	if (ret)
		return ret == -EBUSY ? 0 : EXIT_USAGE;
	fd = (struct pollfd){ .fd = keeper_fd(keeper), .events = POLLIN };
	do {
		ret = poll(&fd, 1, IDLE_MSEC);
		if (ret > 0)
			keeper_work(keeper);
	} while (ret != 0 || keeper_clients(keeper));
	keeper_destroy(keeper);
	/* The last one turns off the light, unless the session is to be kept. */
	if (!session_is_kept(session))
		session_remove(session);
	session_close(session);
	return 0;
}
