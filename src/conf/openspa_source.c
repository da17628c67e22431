#include <stdio.h>
#include <string.h>

#include "conf/file.h"
#include "conf/openspa.h"
#include "conf/section.h"

void openspa_path(char out[static OPENSPA_PATH_BYTES], const struct openspa_source *s,
    const char *nested, const char *key)
{
	const char *parts[] = {s->path, nested, key};

	*out = '\0';
	for (size_t i = 0, used = 0; i < 3 && used < OPENSPA_PATH_BYTES; i++) {
		if (parts[i] != NULL && *parts[i] != '\0')
			used += (size_t)snprintf(out + used, OPENSPA_PATH_BYTES - used, "%s%s",
			    used == 0 ? "" : ".", parts[i]);
	}
}

bool openspa_fail(
    const struct openspa_source *s, const char *key, struct conf_error *error, const char *problem)
{
	const struct node *node = section_find(&conf_openspa_section, s->tree, s->map, key);
	char full[OPENSPA_PATH_BYTES];

	openspa_path(full, s, NULL, key);
	return tree_fail(
	    s->tree, node == NULL ? s->map->place : node->place, full, error, "%s", problem);
}

char *openspa_file(const struct conf *conf, const char *path)
{
	return *path == '/' ? strdup(path) : file_join(conf->folder, path);
}
