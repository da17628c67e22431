#include "doctor/remedy.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/service.h"

#define SYSTEMCTL   "systemctl "
#define NOW         "--now "
#define SEVERAL     " && "
#define WORD_BYTES  64
#define NOT_A_UNIT  "&("
#define BETWEEN     " "
#define UNIT_SUFFIX ".service"

enum service_manager service_manager(void)
{
	const char *service = service_find();

	if (service == NULL)
		return MANAGER_NONE;
	if (strcmp(service, SERVICE_SYSTEMD) == 0)
		return MANAGER_SYSTEMD;
	return access("/sbin/rc-update", X_OK) == 0 ? MANAGER_OPENRC : MANAGER_SCRIPTS;
}

/* The next word of `*at`, which moves behind it; false at the end of the command. */
static bool next_word(const char **at, char word[static WORD_BYTES])
{
	const char *start = *at + strspn(*at, BETWEEN);
	size_t length = strcspn(start, BETWEEN);

	if (length == 0 || length >= WORD_BYTES || strchr(NOT_A_UNIT, *start) != NULL)
		return false;
	memcpy(word, start, length);
	word[length] = '\0';
	*at = start + length;
	return true;
}

static void say(FILE *to, enum service_manager manager, const char *verb, const char *unit)
{
	if (manager == MANAGER_NONE)
		fprintf(to, "%s %s", verb, unit);
	else if (manager == MANAGER_SCRIPTS)
		fprintf(to, "/etc/init.d/%s %s", unit, verb);
	else if (strcmp(verb, "enable") == 0)
		fprintf(to, "rc-update add %s", unit);
	else
		fprintf(to, "rc-service %s %s", unit, verb);
}

static void say_all(FILE *to, enum service_manager manager, const char **at)
{
	char verb[WORD_BYTES], unit[WORD_BYTES];
	const char *between = "";
	bool now = false;

	if (!next_word(at, verb))
		return;
	if (strncmp(*at + strspn(*at, BETWEEN), NOW, strlen(NOW)) == 0)
		now = next_word(at, unit);
	while (next_word(at, unit)) {
		char *suffix = strstr(unit, UNIT_SUFFIX);

		if (suffix != NULL)
			*suffix = '\0';
		fputs(between, to);
		say(to, manager, verb, unit);
		if (now) {
			fputs(SEVERAL, to);
			say(to, manager, "start", unit);
		}
		between = SEVERAL;
	}
}

const char *remedy_for(
    const char *remedy, enum service_manager manager, char text[static REMEDY_BYTES])
{
	const char *at = remedy == NULL ? NULL : strstr(remedy, SYSTEMCTL);
	FILE *to;

	if (at == NULL || manager == MANAGER_SYSTEMD)
		return remedy;
	to = fmemopen(text, REMEDY_BYTES, "w");
	if (to == NULL)
		return remedy;
	fwrite(remedy, 1, (size_t)(at - remedy), to);
	at += strlen(SYSTEMCTL);
	say_all(to, manager, &at);
	fputs(at, to);
	fputc('\0', to);
	return fclose(to) == 0 ? text : remedy;
}
