#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/text.h"
#include "conf/conf.h"
#include "files/show.h"

static const struct option_syntax syntax = {
    .usage = "config check|show|convert [OPTION...]",
    .help = "check  reads the server configuration and the clients beside it as the daemon would,\n"
            "       and changes nothing (exit code 78 when it is not in order)\n"
            "show   prints the configuration in force, defaults included, keys left out\n"
            "convert prints a file that openme reads and the daemon refuses as one that both\n"
            "       read; `postern config convert --help`\n"
            "\n"
            "  -f, --file FILE  the same as --config FILE\n"
            "\n"
            "Examples:\n"
            "  postern config check && postern reload\n"
            "  postern config show --file ./config.yaml\n",
    .operands = 1,
};

static void print_verdict(const struct cli *cli, const struct conf *conf)
{
	struct json j = {.to = stdout};
	char path[1024];

	if (cli->json) {
		json_open(&j, NULL, '{');
		json_string(&j, "config", conf_path(conf));
		json_bool(&j, "valid", true);
		json_number(&j, "clients", (int64_t)conf_client_count(conf));
		json_open(&j, "warnings", '[');
		for (size_t i = 0; i < conf_warning_count(conf); i++)
			json_string(&j, NULL, conf_warning(conf, i));
		if (conf_shield_note(conf) != NULL)
			json_string(&j, NULL, conf_shield_note(conf));
		json_close(&j, ']');
		json_close(&j, '}');
		return;
	}
	for (size_t i = 0; i < conf_warning_count(conf); i++)
		cli_warn(cli, "%s", conf_warning(conf, i));
	if (conf_shield_note(conf) != NULL)
		cli_warn(cli, "%s", conf_shield_note(conf));
	if (!cli->quiet)
		printf("%s: in order, %zu client%s\n",
		    text_escaped(path, sizeof path, conf_path(conf)), conf_client_count(conf),
		    conf_client_count(conf) == 1 ? "" : "s");
}

enum cli_exit cmd_config(struct cli *cli, int argc, char **argv)
{
	struct conf_error error = {0};
	struct conf *conf = NULL;
	const char *word;
	bool show;
	const struct option_row options[] = {
	    {"file", 'f', .take = option_text, .place = &cli->config}, {0}};

	if (argc > 1 && strcmp(argv[1], "convert") == 0)
		return cmd_convert(cli, argc - 1, argv + 1);
	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (cli->operand == NULL)
		return cli_misuse(cli, "say what to do: check, show or convert");
	word = cli->operand;
	show = strcmp(word, "show") == 0;
	if (!show && strcmp(word, "check") != 0)
		return cli_misuse(cli, "cannot do \"%s\"; expected check, show or convert", word);
	conf = cli_load_conf(cli);
	if (conf == NULL)
		return cli->status;
	cli->status = CLI_DONE;
	if (!show && !conf_find_interface(conf, &error))
		cli->status = cli_report_conf(cli, &error);
	else if (!show)
		print_verdict(cli, conf);
	else if (!conf_show(conf, stdout))
		cli->status = cli_fail(cli, CLI_FAILED, "cannot write to standard output");
	conf_free(conf);
	return cli->status;
}
