#include "cmd/server_conf.h"

#include <unistd.h>

enum cli_exit server_conf_report(const struct cli *cli, const struct conf_error *error)
{
	return cli_fail(cli, error->permission ? CLI_PERMISSION : CLI_CONFIG, "%s%s", error->text,
	    error->permission && geteuid() != 0 ? "; try as root" : "");
}

struct conf *server_conf_load(struct cli *cli)
{
	struct conf_error error = {0};
	struct conf *conf = conf_load(cli->config, &error);

	if (conf == NULL)
		cli->status = server_conf_report(cli, &error);
	return conf;
}
