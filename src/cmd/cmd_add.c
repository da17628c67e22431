#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/add.h"
#include "cmd/cmd.h"
#include "cmd/option.h"
#include "conf/values.h"

static const struct option_syntax syntax = {
    .usage = "add [OPTION...] NAME",
    .help =
        "Registers a client beside the server configuration and prints its profile, ready for\n"
        "~/.config/postern/config.yaml on the client, to standard output. The private key in it is\n"
        "stored nowhere else. The client is registered once that is printed, and a running daemon\n"
        "takes it over at once.\n"
        "\n"
        "  --ports SPECS     what a knock opens: 22/tcp, 53/udp, 80, 8080-8090/tcp, or the name of a\n"
        "                    group; several with commas, or by saying it again (default: the group\n"
        "                    \"default\")\n"
        "  --targets WORDS   addresses its knocks may open for: source, any, or networks, several as\n"
        "                    above (default: as the server's configuration says)\n"
        "  --expires WHEN    refuse it from then on: 2027-01-01 (midnight in UTC),\n"
        "                    2027-01-01T12:00:00+01:00, or 12h, 30d or 2w from now\n"
        "  --profile NAME    name of the profile (the server's default_profile)\n"
        "  --qr              draw the profile as a QR code, for a phone; at a terminal in its place\n"
        "  --qr-out FILE     write that code as a PNG\n"
        "  --no-privkey      leave the private key and the shield key out of the code\n"
        "  --public-key KEY  register this Ed25519 key (base64) instead of making one\n"
        "  --no-reload       leave the running daemon as it is\n"
        "  --dry-run         check all of it, make no key, write nothing\n"
        "\n"
        "Examples:\n"
        "  (umask 077; postern add alice > alice.yaml)\n"
        "  postern add bob --ports default,8080-8090/tcp --expires 2027-01-01 --qr\n",
    .operands = 1,
};

static bool check_port(const char *text, const char **expected)
{
	const char *unused = NULL;
	struct port_spec spec;

	/* What is no spec may be the name of a group; whether there is one, conf finds out. */
	return value_port_spec(&spec, text, expected) ||
	       ((strspn(text, "0123456789") == 0 || strpbrk(text, " .") != NULL) &&
	           value_name(text, &unused));
}

/* `row->check` tells whether a word is one. */
static bool take_words(struct cli *cli, const struct option_row *row, char *list)
{
	struct add_words *words = row->place;
	const char *expected = NULL;
	char *one;

	while ((one = strsep(&list, ",")) != NULL) {
		one += strspn(one, " ");
		for (size_t end = strlen(one); end > 0 && one[end - 1] == ' '; end--)
			one[end - 1] = '\0';
		if (!row->check(one, &expected))
			return option_refuse(cli, row, one, expected);
		if (words->count == ADD_WORDS_MOST)
			return cli_stop(
			    cli, cli_misuse(cli, "--%s: more than %d", row->name, ADD_WORDS_MOST));
		words->items[words->count++] = one;
	}
	return true;
}

/* "30d" and "2w", and what value_duration takes. */
static bool from_now(int64_t *out, const char *text)
{
	size_t length = strlen(text), digits = strspn(text, "0123456789");
	const char *ignored = NULL;
	int64_t number = 0;
	char days[16];

	if (digits > 0 && digits < sizeof days && digits + 1 == length &&
	    strchr("dw", text[digits]) != NULL) {
		snprintf(days, sizeof days, "%.*s", (int)digits, text);
		number = strtoll(days, NULL, 10) * (text[digits] == 'w' ? 7 : 1);
		if (__builtin_mul_overflow(number, 86400 * NS_PER_SECOND, &number))
			return false;
	} else if (!value_duration(&number, text, &ignored)) {
		return false;
	}
	return !__builtin_add_overflow(clock_real_ns(), number, out);
}

/* "2027-01-01" and "2027-01-01 12:00:00": neither Z nor an offset at the end. */
static bool names_zone(const char *text)
{
	size_t length = strlen(text);
	const char *offset = length < 6 ? "" : text + length - 6;

	return strpbrk(text, "Zz") != NULL ||
	       ((*offset == '+' || *offset == '-') && offset[3] == ':');
}

static bool take_expires(struct cli *cli, const struct option_row *row, char *text)
{
	int64_t *expires_ns = row->place;
	const char *expected = NULL;
	char zoned[64], when[CLOCK_TEXT_BYTES];

	if (value_time(expires_ns, text, &expected)) {
		if (!names_zone(text))
			cli_warn(cli, "--expires %s names no time zone; taken as UTC: %s", text,
			    clock_text(*expires_ns, when));
	} else if (!from_now(expires_ns, text)) {
		return option_refuse(cli, row, text,
		    value_lacks_zone(text, sizeof zoned, zoned)
		        ? "the time zone with it, such as 2027-01-01T12:00:00Z"
		        : "a time such as 2027-01-01 or 2027-01-01T12:00:00Z, or for how long: 12h, "
		          "30d or 2w");
	}
	if (*expires_ns <= clock_real_ns())
		cli_warn(cli, "--expires %s is in the past: every knock will be refused", text);
	return true;
}

static bool take_public_key(struct cli *cli, const struct option_row *row, char *text)
{
	const char *expected = NULL;

	return value_key(row->place, CLIENT_KEY_BYTES, text, &expected) ||
	       option_refuse(cli, row, text, expected);
}

static enum cli_exit check_name(const struct cli *cli, const char *name)
{
	const char *expected = NULL;
	char quoted[200];

	if (name == NULL)
		return cli_misuse(cli, "say what to call the client");
	if (value_name(name, &expected))
		return CLI_DONE;
	return cli_misuse(
	    cli, "name %s: expected %s", value_quoted(quoted, sizeof quoted, name, 64), expected);
}

enum cli_exit cmd_add(struct cli *cli, int argc, char **argv)
{
	struct add add = {.client.expires_ns = NEVER_NS};
	const struct option_row options[] = {
	    {"ports", .take = take_words, .place = &add.ports, .check = check_port},
	    {"port", .take = take_words, .place = &add.ports, .check = check_port},
	    {"targets", .take = take_words, .place = &add.targets, .check = value_target},
	    {"expires", .take = take_expires, .place = &add.client.expires_ns},
	    {"profile", .take = option_text, .place = &add.profile, .check = value_name},
	    {"qr", .flag = &add.qr},
	    {"qr-out", .take = option_text, .place = &add.qr_out},
	    {"no-privkey", .flag = &add.no_privkey},
	    {"public-key", .take = take_public_key, .place = add.client.public_key,
	        .flag = &add.public_key_given},
	    {"no-reload", .flag = &add.no_reload},
	    {"dry-run", .flag = &add.dry_run},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	add.client.name = cli->operand;
	cli->status = check_name(cli, add.client.name);
	if (cli->status != CLI_DONE)
		return cli->status;
	add.client.ports = add.ports.items;
	add.client.port_count = add.ports.count;
	add.client.targets = add.targets.items;
	add.client.target_count = add.targets.count;
	return add_register(cli, &add);
}
