#include "cmd/post_knock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void take_address(char text[static ADDR_TEXT_BYTES], const struct postern_outcome *outcome)
{
	struct addr address;

	text[0] = '\0';
	if (outcome->error != POSTERN_OK)
		return;
	memcpy(address.bytes, outcome->server, ADDR_BYTES);
	addr_text(&address, text);
}

bool post_knock_take(
    struct post_knock *p, const struct knocking *k, const struct postern_report *report)
{
	*p = (struct post_knock){0};
	if (k->profile->post_knock == NULL || *k->profile->post_knock == '\0')
		return true;
	snprintf(p->profile, sizeof p->profile, "%s", k->profile->name);
	snprintf(p->host, sizeof p->host, "%s", k->profile->server_host.text);
	snprintf(
	    p->port, sizeof p->port, "%u", (unsigned int)k->profile->server_udp_port & 0xffffU);
	take_address(p->ipv4, &report->ipv4);
	take_address(p->ipv6, &report->ipv6);
	p->command = strdup(k->profile->post_knock);
	return p->command != NULL;
}

void post_knock_free(struct post_knock *p)
{
	free(p->command);
	*p = (struct post_knock){0};
}

enum cli_exit post_knock_become(const struct cli *cli, const struct post_knock *p)
{
	struct rlimit core;

	/* main took core dumps away for our own sake. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = core.rlim_max;
		setrlimit(RLIMIT_CORE, &core);
	}
	if (setenv("POSTERN_PROFILE", p->profile, 1) != 0 ||
	    setenv("POSTERN_HOST", p->host, 1) != 0 || setenv("POSTERN_PORT", p->port, 1) != 0 ||
	    setenv("POSTERN_IPV4", p->ipv4, 1) != 0 || setenv("POSTERN_IPV6", p->ipv6, 1) != 0)
		return cli_fail_errno(cli, "cannot set up the environment of post_knock");
	fflush(stdout);
	execl("/bin/sh", "sh", "-c", p->command, (char *)NULL);
	return cli_fail_errno(cli, "cannot run /bin/sh");
}

enum cli_exit post_knock_start(const struct cli *cli, const struct post_knock *p)
{
	pid_t child;

	signal(SIGCHLD, SIG_IGN); /* it is reaped by itself */
	fflush(stdout);
	child = fork();
	if (child < 0)
		return cli_fail_errno(cli, "cannot start post_knock");
	if (child == 0) {
		signal(SIGCHLD, SIG_DFL);
		_exit((int)post_knock_become(cli, p));
	}
	return CLI_DONE;
}
