#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/option.h"
#include "conf/client_index.h"

#define WORDS_MOST 11 /* with the closing NULL */

static const struct option_syntax syntax = {
    .usage = "doctor [OPTION...]",
    .help =
        "Looks at all that the gate needs on this server, and says what is wrong with the command\n"
        "that mends it: configuration, files, clock, kernel, daemon, units, firewall, ports that\n"
        "lead elsewhere, interface, knock port, what other gates have left. Changes nothing, and\n"
        "does without the daemon; says of what only root may look at that it was not.\n"
        "Exit code 0 when there is no problem, 3 when there is one.\n"
        "\n"
        "      --online         ask the Echo-IP services of the configuration, too, whether there\n"
        "                       is a NAT in front of this host\n"
        "      --state-dir DIR  where the daemon keeps what outlives it (/var/lib/postern)\n"
        "\n"
        "Examples:\n"
        "  postern doctor\n"
        "  postern doctor --quiet || systemctl status posternd\n"
        "  postern doctor --json | jq -r '.checks[] | select(.state == \"problem\") | .text'\n",
};

/* Beside us, as in a build tree, or where it is installed. It is a program of its own for what it
 * links, which no client needs. */
static void become_doctor(char **words)
{
	static const char name[] = "postern-doctor";
	char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof name);

	if (size > 0) {
		path[size] = '\0';
		memcpy(strrchr(path, '/') + 1, name, sizeof name);
		execv(path, words);
	}
	execv(POSTERN_LIBEXEC "/postern-doctor", words);
}

enum cli_exit cmd_doctor(struct cli *cli, int argc, char **argv)
{
	const char *state_dir = CONF_INDEX_FOLDER;
	bool online = false;
	const struct option_row options[] = {{"online", .flag = &online},
	    {"state-dir", .take = option_text, .place = &state_dir}, {0}};
	const char *words[WORDS_MOST] = {
	    "postern-doctor", "--config", NULL, "--control", NULL, "--state-dir", NULL};
	size_t count = 7;

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	words[2] = cli->config;
	words[4] = cli->control;
	words[6] = state_dir;
	if (cli->json)
		words[count++] = "--json";
	if (cli->quiet)
		words[count++] = "--quiet";
	if (online)
		words[count] = "--online";
	become_doctor((char **)(uintptr_t)words);
	return cli_fail_errno(cli, "cannot run postern-doctor, which comes with the server");
}
