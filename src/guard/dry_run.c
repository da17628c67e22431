#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "guard/guard.h"

static int looked(int err, const char *what)
{
	if (err == -EPERM) {
		printf("# %s: only root may look\n", what);
		return EXIT_DONE;
	}
	if (err == 0)
		return EXIT_DONE;
	fprintf(stderr, "postern-guard: %s: %s\n", what, strerror(-err));
	return EXIT_FAILED;
}

static int print_rules(const struct snapshot *s)
{
	char *text = fw_nft_ruleset(s);

	if (text == NULL) {
		fprintf(stderr, "postern-guard: cannot tell the rules: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	fputs(text, stdout);
	free(text);
	if (s->settings->notrack != CONF_NOTRACK_NO)
		puts(
		    "# and a chain by which knocks are not tracked as connections, where no rule of "
		    "the host could tell");
	return looked(fw_nft_tell_install(s->settings, stdout), "chains of the host");
}

static int tell_install(const struct guard_options *o)
{
	struct rules r;
	int status = rules_load(&r, o);

	if (status != EXIT_DONE)
		return status;
	if (r.snapshot.settings->firewall == CONF_FIREWALL_NFT)
		status = print_rules(&r.snapshot);
	else
		puts("# firewall: none; no rule would be put in place");
	rules_free(&r);
	return status;
}

int guard_dry_run(const struct guard_options *o)
{
	int status =
	    o->release ? looked(fw_nft_tell_remove(stdout), "what stands") : tell_install(o);

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fputs("postern-guard: cannot write to standard output\n", stderr);
	return EXIT_FAILED;
}
