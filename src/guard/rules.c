#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "conf/client_index.h"
#include "guard/guard.h"
#include "snapshot/accepted.h"

static struct conf *load_conf(const struct guard_options *o, struct conf_error *why)
{
	char *index = conf_index_path(o->state_dir);
	struct conf_index_report report = {.refused = ""};
	struct conf *conf = index == NULL ? conf_load(o->config, why)
	                                  : conf_load_indexed(o->config, index, &report, why);

	free(index);
	if (*report.refused != '\0')
		log_event(LOG_LEVEL_WARN, "the index of clients is not used", "why", report.refused,
		    NULL);
	return conf;
}

/* As a snapshot's descriptor: the configuration's, or the last good ones. */
static int load(const struct guard_options *o, int *status)
{
	struct conf_error why = {.text = ""};
	struct conf *conf = load_conf(o, &why);
	const char *none = NULL;
	int fd;

	if (conf != NULL) {
		if (!conf_find_interface(conf, &why))
			log_event(LOG_LEVEL_WARN, "shut as far as the interface is known", "why",
			    why.text, "interface",
			    *conf_interface(conf) == '\0' ? "every one" : conf_interface(conf),
			    NULL);
		fd = conf_write_snapshot(conf, 1);
		conf_free(conf);
		return fd;
	}
	log_event(LOG_LEVEL_ERROR, "cannot use the configuration", "why", why.text, NULL);
	fd = accepted_load(o->state_dir, &none);
	if (fd >= 0) {
		log_event(LOG_LEVEL_WARN,
		    "shutting the ports of the last configuration that was accepted", "folder",
		    o->state_dir, NULL);
		return fd;
	}
	log_event(LOG_LEVEL_ERROR, "nothing is shut: no configuration was accepted before",
	    "folder", o->state_dir, "why", none, NULL);
	*status = why.permission ? EXIT_PERMISSION : EXIT_CONFIG;
	return -1;
}

int rules_load(struct rules *r, const struct guard_options *o)
{
	int status = EXIT_FAILED;

	*r = (struct rules){.fd = load(o, &status)};
	if (r->fd < 0)
		return status;
	if (snapshot_map(&r->snapshot, r->fd))
		return EXIT_DONE;
	log_line(LOG_LEVEL_ERROR, "nothing is shut: %s", strerror(errno));
	close(r->fd);
	return EXIT_FAILED;
}

void rules_free(struct rules *r)
{
	snapshot_unmap(&r->snapshot);
	close(r->fd);
}

bool rules_open_firewall(struct fw *fw, enum conf_firewall which, int fd)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];

	(void)clock_boot_id(boot_id); /* without it the rules are set anew */
	return fw_open(fw, which, boot_id, fd) == 0;
}

int rules_put(const struct rules *r, struct fw *fw)
{
	if (fw->ops->install(fw, &r->snapshot, NULL, 0) != 0)
		return EXIT_FAILED;
	log_line(LOG_LEVEL_INFO, "the ports are shut");
	return EXIT_DONE;
}
