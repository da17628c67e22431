#include "cmd/names.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/text.h"
#include "conf/client_index.h"
#include "conf/values.h"

/* Of a label that was cut: whose it is, the configuration knows. */
static const char *look_up(struct names *names, const char *label)
{
	struct conf_error ignored;
	char other[CLIENT_NAME_BYTES];

	if (!names->asked)
		names->conf =
		    conf_load_indexed(names->cli->config, CONF_INDEX_DEFAULT, NULL, &ignored);
	names->asked = true;
	for (size_t i = 0; names->conf != NULL && i < conf_client_count(names->conf); i++) {
		value_label(other, conf_client(names->conf, i)->name);
		if (strcmp(other, label) == 0)
			return conf_client(names->conf, i)->name;
	}
	for (size_t i = 0; names->conf != NULL && i < conf_device_count(names->conf); i++) {
		value_label(other, conf_device(names->conf, i)->name.text);
		if (strcmp(other, label) == 0)
			return conf_device(names->conf, i)->name.text;
	}
	return label;
}

const char *names_of(struct names *names, const char *label)
{
	if (value_name_of_label(names->name, label))
		return names->name;
	return text_name(names->escaped, sizeof names->escaped,
	    strchr(label, '+') == NULL ? label : look_up(names, label));
}

void names_free(struct names *names)
{
	conf_free(names->conf);
}
