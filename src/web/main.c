#include <signal.h>

#include "base/environment.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/secret.h"
#include "http/sandbox.h"
#include "web/options.h"
#include "web/server.h"

static const struct sandbox_program web = {.user = "postern-web", .asks = true, .landlock = true};

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

/* Root is given up before the first socket is opened: a path is then the user's own, and no port
 * below 1024 is wanted. Only when the sandbox is closed is the first byte read. */
static int serve(const struct options *o)
{
	static struct server server;
	struct listeners listeners = {.count = 0};
	int code = user_become(&web, o->user);
	bool opened = false;

	if (code == EXIT_DONE)
		code = listen_all(&listeners, o);
	if (code == EXIT_DONE) {
		opened = true;
		if (!server_open(&server, &listeners, o->control) || !sandbox_close(&web, o->best))
			code = EXIT_FAILED;
	}
	if (code == EXIT_DONE) {
		notify_manager("READY=1");
		log_line(LOG_LEVEL_INFO, "ready%s", sandbox_left_out());
		code = server_run(&server) ? EXIT_DONE : EXIT_FAILED;
		notify_manager("STOPPING=1");
		log_line(LOG_LEVEL_INFO, "stopping");
	}
	if (opened)
		server_close(&server);
	listen_close(&listeners);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;

	environment_clean();
	log_open("web", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_ANSWERED:
		return EXIT_DONE;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	log_open("web", options.log_level, LOG_FORMAT_TEXT);
	signals_block();
	if (!secret_init()) {
		log_line(LOG_LEVEL_ERROR, "no randomness to be had");
		return EXIT_FAILED;
	}
	if (!sandbox_limits(SERVER_CONNECTIONS))
		return EXIT_PERMISSION;
	return serve(&options);
}
