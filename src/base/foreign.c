#include "base/foreign.h"

#include <stddef.h>
#include <string.h>

struct foreign_word {
	const char *word;
	const char *remedy;
};

static const struct foreign_word tool[] = {
    {"serve", "the server is a program of its own: posternd -c FILE"},
    {"qr", "the code is drawn when the client is made: postern add NAME --qr"},
    {"completion", "the completions for bash, zsh and fish are installed with the programs"},
    {"--port-mode", "say which groups and ports: --ports default,2222/tcp"},
    {"--state-file", "the running daemon is asked, and no file: postern sessions"},
    {NULL, NULL},
};

static const struct foreign_word daemon[] = {
    {"init", "that is the tool's: postern init --server HOST"},
    {"add", "that is the tool's: postern add NAME"},
    {"list", "that is the tool's: postern list"},
    {"revoke", "that is the tool's: postern revoke NAME"},
    {"sessions", "that is the tool's: postern sessions"},
    {"knock", "that is the tool's: postern knock"},
    {"connect", "that is the tool's: postern knock"},
    {"status", "that is the tool's: postern status"},
    {"profiles", "that is the tool's: postern profiles"},
    {"--interface", "it stands in the configuration, under server: \"interface: NAME\""},
    {"--firewall", "it stands in the configuration, under server: \"firewall: nft\""},
    {NULL, NULL},
};

const char *foreign_remedy(enum foreign_program program, const char *word)
{
	const struct foreign_word *row = program == FOREIGN_TOOL ? tool : daemon;
	size_t length = strncmp(word, "--", 2) == 0 ? strcspn(word, "=") : strlen(word);

	while (row->word != NULL &&
	       (strncmp(row->word, word, length) != 0 || row->word[length] != '\0'))
		row++;
	return row->remedy;
}
