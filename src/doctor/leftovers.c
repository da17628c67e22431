/* What others have left: rules of an original server, and such a server that still runs. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "doctor/doctor.h"
#include "main/leftovers.h"

static struct doctor *told; /* leftovers_find has no context to hand on */

static void tell(const char *text)
{
	static const char marker[] = "this removes them: ";
	const char *remedy = strstr(text, marker);

	report_say(&told->report, FINDING_WARNING,
	    remedy == NULL ? NULL : remedy + sizeof marker - 1, "%.*s",
	    remedy == NULL ? (int)strlen(text) : (int)(remedy - text) + (int)sizeof marker - 3,
	    text);
}

static bool is_original(const char *pid, char name[static 32])
{
	static const char *const names[] = {"openme", "openspa", "openspa-server", "openme-server"};
	char path[64];
	FILE *file;
	bool found = false;

	if (snprintf(path, sizeof path, "/proc/%.20s/comm", pid) < 0 ||
	    (file = fopen(path, "re")) == NULL)
		return false;
	if (fgets(name, 32, file) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			found = found || strcmp(name, names[i]) == 0;
	}
	fclose(file);
	return found;
}

/* In whatever network namespace it is: rather too often. */
static void look_for_originals(struct doctor *d)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char name[32], remedy[64];

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !is_original(entry->d_name, name))
			continue;
		snprintf(remedy, sizeof remedy, "ps -fp %.20s", entry->d_name);
		report_say(&d->report, FINDING_WARNING, remedy,
		    "a program of another gate runs: %s, process %.20s; with rules of its own for the "
		    "same ports it lets in whom it knows",
		    name, entry->d_name);
	}
	if (proc != NULL)
		closedir(proc);
}

void doctor_leftovers(struct doctor *d)
{
	unsigned int before = d->report.count[FINDING_WARNING];

	told = d;
	if (d->root && d->conf != NULL)
		leftovers_find(d->conf, tell);
	look_for_originals(d);
	if (before != d->report.count[FINDING_WARNING])
		return;
	if (d->root && d->conf != NULL)
		report_say(&d->report, FINDING_OK, NULL, "none of other gates");
	else
		report_say(&d->report, FINDING_UNKNOWN, d->root ? NULL : "sudo postern doctor",
		    "whether there are rules of other gates is not known");
}
