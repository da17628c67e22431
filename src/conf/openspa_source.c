#include <string.h>

#include "base/line.h"
#include "conf/file.h"
#include "conf/openspa.h"
#include "conf/section.h"

void openspa_path(char out[static OPENSPA_PATH_BYTES], const struct openspa_source *s,
    const char *nested, const char *key)
{
	const char *parts[] = {s->path, nested, key};
	struct line l = {.text = out, .size = OPENSPA_PATH_BYTES};

	*out = '\0';
	for (size_t i = 0; i < 3; i++) {
		if (parts[i] != NULL && *parts[i] != '\0')
			line_add(&l, "%s%s", l.used == 0 ? "" : ".", parts[i]);
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
