#include "cmd/service.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/guard_run.h"
#include "cmd/run.h"

#define GUARD         "postern-guard.service"
#define DAEMON        "posternd.service"
#define RELEASE_TRIES 5

static bool by_systemd(const char *service)
{
	return strcmp(service, SERVICE_SYSTEMD) == 0;
}

const char *service_find(void)
{
	struct stat st;

	if (lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode)) /* sd_booted(3) */
		return SERVICE_SYSTEMD;
	return access(SERVICE_SCRIPT, X_OK) == 0 ? SERVICE_SCRIPT : NULL;
}

bool service_is_installed(void)
{
	static const char *const units[] = {"/etc/systemd/system/" DAEMON,
	    "/run/systemd/system/" DAEMON, "/usr/local/lib/systemd/system/" DAEMON,
	    "/usr/lib/systemd/system/" DAEMON, "/lib/systemd/system/" DAEMON};
	const char *service = service_find();

	if (service == NULL || !by_systemd(service))
		return service != NULL;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (access(units[i], F_OK) == 0)
			return true;
	return false;
}

static bool run(const struct cli *cli, const char *const argv[])
{
	int status = run_program(argv, NULL);

	if (status == 0)
		return true;
	if (status > 0)
		cli_warn(cli, "%s %s failed, exit status %d", argv[0], argv[1], status);
	else
		cli_warn(cli, "%s %s failed: %s", argv[0], argv[1], strerror(errno));
	return false;
}

bool service_start(const struct cli *cli, const char *service)
{
	const char *const units[] = {"systemctl", "start", GUARD, DAEMON, NULL};
	const char *const script[] = {service, "start", NULL};

	return run(cli, by_systemd(service) ? units : script);
}

/* A supervisor that is not systemd starts a guard anew that has ended, and it would shut the ports
 * again. */
bool service_stop_guard(const struct cli *cli)
{
	const char *const guard[] = {SERVICE_GUARD_SCRIPT, "stop", NULL};

	return access(SERVICE_GUARD_SCRIPT, X_OK) != 0 || run(cli, guard);
}

bool service_stop(const struct cli *cli, const char *service)
{
	const char *const units[] = {"systemctl", "stop", DAEMON, GUARD, NULL};
	const char *const script[] = {service, "stop", NULL};
	char path[PATH_MAX];
	const char *const release[] = {guard_path(path), "--release", NULL};
	bool stopped = run(cli, by_systemd(service) ? units : script);

	if (!by_systemd(service))
		stopped = service_stop_guard(cli) && stopped;
	/* A start that has failed may have left rules, too, and a stop is to leave them
	 * (server.shutdown: keep). */
	for (int i = 0; i < RELEASE_TRIES; i++) {
		if (run(cli, release))
			return stopped;
		cli_sleep_until(clock_boot_ns() + NS_PER_SECOND);
	}
	return false;
}

bool service_enable(const struct cli *cli, const char *service)
{
	const char *const units[] = {"systemctl", "--quiet", "enable", GUARD, DAEMON, NULL};

	return !by_systemd(service) || run(cli, units);
}

bool service_rules_stand(const struct cli *cli, bool *stand)
{
	char path[PATH_MAX];
	const char *const look[] = {guard_path(path), "--release", "--dry-run", NULL};
	int status = run_program(look, stand);

	if (status == 0)
		return true;
	cli_warn(cli, "cannot look at the firewall by %s: %s", path,
	    status < 0 ? strerror(errno) : "see above");
	return false;
}
