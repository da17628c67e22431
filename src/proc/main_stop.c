/* Ending the roles. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/exit.h"
#include "proc/main_process.h"

#define STOP_TIMEOUT_MS 3000

/* Waits for the roles from `first` to before `end`, and kills who is late. */
static void reap(struct main_process *m, enum role first, enum role end, int timeout_ms)
{
	static const struct timespec step = {0, 2000000};

	for (int waited = 0;; waited += 2) {
		bool all = true;

		for (enum role role = first; role < end; role++) {
			struct child *child = &m->children[role];

			if (child->pid > 0 && waitpid(child->pid, NULL, WNOHANG) != 0)
				child->pid = 0;
			all = all && child->pid == 0;
		}
		if (all)
			return;
		if (waited >= timeout_ms)
			break;
		nanosleep(&step, NULL);
	}
	for (enum role role = first; role < end; role++) {
		if (m->children[role].pid > 0) {
			kill(m->children[role].pid, SIGKILL);
			waitpid(m->children[role].pid, NULL, 0);
			m->children[role].pid = 0;
		}
	}
}

static void hang_up(struct main_process *m, enum role role)
{
	if (m->children[role].pid > 0)
		close(m->children[role].channel.fd);
}

/* With a ruler the keeper has rules to take away by program, and waits for each. */
static int keepers_time_ms(const struct main_process *m)
{
	return runner_settings_make_rules(&m->programs.settings)
	           ? programs_patience_ms(&m->programs)
	           : STOP_TIMEOUT_MS;
}

/* After a failure the rules stay, so that the ports stay shut, and serverStop is not run. What
 * programs have opened the keeper shuts in any case. */
void main_stop_roles(struct main_process *m)
{
	struct message_stop stop = {.keep_rules = m->exit_status != EXIT_DONE ||
	                                          m->settings.shutdown == CONF_SHUTDOWN_KEEP};

	/* The keeper ends by its message; its channel must not cut that short. */
	if (m->children[ROLE_KEEPER].pid > 0)
		channel_send(
		    &m->children[ROLE_KEEPER].channel, MESSAGE_STOP_KEEPER, &stop, NULL, 0);
	hang_up(m, ROLE_DOORMAN);
	hang_up(m, ROLE_DESK);
	reap(m, FIRST_ROLE, ROLE_RUNNER, keepers_time_ms(m));
	if (m->exit_status == EXIT_DONE)
		main_server_task(m, RUNNER_SERVER_STOP);
	hang_up(m, ROLE_RUNNER);
	hang_up(m, ROLE_RULER);
	reap(m, ROLE_RUNNER, ROLE_COUNT, STOP_TIMEOUT_MS);
}
