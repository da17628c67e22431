#include <signal.h>

#include "base/environment.h"
#include "base/exit.h"
#include "base/notify.h"
#include "base/secret.h"
#include "echoip/listen.h"
#include "echoip/options.h"
#include "echoip/pem.h"
#include "echoip/server.h"
#include "http/sandbox.h"

static const struct sandbox_program echoip = {.user = "postern-echoip"};

/* Before the first descriptor is opened: these are dealt with by the loop, or not at all. */
static void signals_block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

/* Everything that needs root, a file or a name comes first; then root is given up; then the HTTP
 * library starts; then the system call filter closes; only then is the first byte read. */
static int serve(const struct options *o)
{
	static struct server server;
	struct listeners listeners = {.count = 0};
	struct pem pem = {NULL, NULL};
	int code;
	bool opened = false;

	code = pem_read(&pem, o->cert, o->key);
	if (code != EXIT_DONE)
		goto out;
	code = listen_all(&listeners, o);
	if (code != EXIT_DONE)
		goto out;
	code = user_become(&echoip, o->user);
	if (code != EXIT_DONE)
		goto out;
	opened = true;
	if (!server_open(&server, o, &listeners, &pem)) {
		code = pem.cert != NULL ? EXIT_CONFIG : EXIT_FAILED;
		goto out;
	}
	pem_forget(&pem);
	if (!sandbox_close(&echoip, o->best)) {
		code = EXIT_FAILED;
		goto out;
	}
	notify_manager(
	    *sandbox_left_out() != '\0' ? "READY=1\nSTATUS=Serving, without seccomp" : "READY=1");
	log_line(LOG_LEVEL_INFO, "ready%s", sandbox_left_out());
	code = server_run(&server) ? EXIT_DONE : EXIT_FAILED;
	notify_manager("STOPPING=1");
	log_line(LOG_LEVEL_INFO, "stopping");
out:
	pem_forget(&pem);
	if (opened)
		server_close(&server);
	listen_close(&listeners);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;

	environment_clean();
	log_open("echoip", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_ANSWERED:
		return EXIT_DONE;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	log_open("echoip", options.log_level, LOG_FORMAT_TEXT);
	signals_block();
	if (!secret_init()) {
		log_line(LOG_LEVEL_ERROR, "no randomness to be had");
		return EXIT_FAILED;
	}
	if (!sandbox_limits(options.max_connections))
		return EXIT_PERMISSION;
	return serve(&options);
}
