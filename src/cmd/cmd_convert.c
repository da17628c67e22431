#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/option.h"
#include "cmd/progress.h"
#include "conf/conf.h"
#include "files/convert.h"
#include "files/write_file.h"

#define NOTES_MOST 50

static const struct option_syntax syntax = {
    .usage = "config convert [OPTION...] [FILE]",
    .help = "Prints a file of openme, the server's, the client's or one of clients.d, as one that\n"
            "openme and Postern both read and that means the same: openme's schema until 0.4.0\n"
            "as today's, anchors, aliases and merges as what they stand for, unknown keys left\n"
            "out. What was left out or changed is said on standard error; comments are gone.\n"
            "FILE is the server configuration by default; -: standard input. The private key is\n"
            "in what it prints.\n"
            "\n"
            "      --for openme   the way back: only what openme knows, with all clients of\n"
            "                     clients.d, and what cannot be kept on standard error\n"
            "  -o, --output FILE  write a new file, mode 0600, instead\n"
            "      --force        also when FILE exists\n"
            "\n"
            "Examples:\n"
            "  postern config convert /etc/openme/config.yaml -o /etc/postern/config.yaml\n"
            "  postern config convert --for openme -o /etc/openme/config.yaml --force\n"
            "  chgrp openme /etc/openme/config.yaml; chmod 640 /etc/openme/config.yaml\n",
    .operands = 1,
};

struct convert {
	const char *path; /* NULL: standard input */
	const char *target;
	const char *output; /* NULL: standard output */
	bool force;
};

static bool copy(int fd, FILE *to)
{
	char block[4096];
	ssize_t got;

	do {
		got = fd_read(fd, block, sizeof block);
		if (got > 0)
			fwrite(block, 1, (size_t)got, to);
	} while (got > 0 && !ferror(to));
	secret_wipe(block, sizeof block);
	return got == 0;
}

static bool read_source(struct cli *cli, struct secret_text *text, const char *path)
{
	int fd = path == NULL ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	FILE *to = secret_text_open(text);
	bool ok = fd >= 0 && to != NULL && copy(fd, to);

	if (!ok)
		cli->status = cli_fail_errno(cli, "%s: cannot read it", path == NULL ? "-" : path);
	if (to != NULL)
		fclose(to);
	if (path != NULL)
		fd_close(fd);
	return ok;
}

static void say_notes(const struct cli *cli, char *notes)
{
	unsigned int count = 0;
	char *rest = notes;

	for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
		if (count++ < NOTES_MOST)
			cli_warn(cli, "%s", line);
	}
	if (count > NOTES_MOST)
		cli_warn(cli, "and %u more of these", count - NOTES_MOST);
}

static enum cli_exit write_text(
    const struct cli *cli, const struct convert *convert, const struct secret_text *text)
{
	struct conf_error error = {0};

	if (convert->output == NULL)
		return file_write_whole(STDOUT_FILENO, text->data, text->size)
		           ? CLI_DONE
		           : cli_fail_errno(cli, "cannot write to standard output");
	if (!file_write(convert->output, text->data, text->size, convert->force, &error))
		return cli_fail_conf(cli, CLI_FAILED, &error);
	return CLI_DONE;
}

static enum cli_exit run(struct cli *cli, const struct convert *convert)
{
	const char *name = convert->path == NULL ? "(standard input)" : convert->path;
	struct secret_text from = {NULL, 0, 0}, text = {NULL, 0, 0};
	struct conf_error error = {0};
	char *notes = NULL;
	size_t size = 0;
	bool ok;
	FILE *to = open_memstream(&notes, &size);

	cli->status = to == NULL ? cli_fail_errno(cli, "cannot convert") : CLI_DONE;
	if (to != NULL && read_source(cli, &from, convert->path)) {
		const struct tree_source source = {
		    name, from.data == NULL ? "" : from.data, -1, from.size};

		progress_begin(cli, "converting", NULL, 0);
		ok = convert_file(
		    &text, &source, convert->path, convert->target != NULL, to, &error);
		progress_end();
		if (!ok)
			cli->status = cli_report_conf(cli, &error);
		fflush(to);
		say_notes(cli, notes);
		if (cli->status == CLI_DONE)
			cli->status = write_text(cli, convert, &text);
	}
	if (to != NULL)
		fclose(to);
	free(notes);
	secret_text_free(&from);
	secret_text_free(&text);
	return cli->status;
}

enum cli_exit cmd_convert(struct cli *cli, int argc, char **argv)
{
	struct convert convert = {NULL, NULL, NULL, false};
	const struct option_row options[] = {
	    {"for", .take = option_text, .place = &convert.target},
	    {"output", 'o', .take = option_text, .place = &convert.output},
	    {"file", 'f', .take = option_text, .place = &cli->config},
	    {"force", .flag = &convert.force},
	    {0},
	};

	cli->command = "config convert";
	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (convert.target != NULL && strcmp(convert.target, "openme") != 0)
		return cli_misuse(cli, "--for \"%s\": expected openme", convert.target);
	convert.path = cli->operand == NULL ? cli->config : cli->operand;
	if (strcmp(convert.path, "-") == 0)
		convert.path = NULL;
	return run(cli, &convert);
}
