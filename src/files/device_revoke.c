/* Shutting out an OpenSPA device: a file beside the keys that says so. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "conf/client_index.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/openspa.h"
#include "files/server_files.h"
#include "files/write_file.h"

static bool write_override(const struct conf *conf, const uint8_t uuid[static DEVICE_UUID_BYTES],
    int64_t now_ns, struct conf_error *error)
{
	char name[UUID_TEXT_BYTES + sizeof DEVICE_REVOKED_SUFFIX], id[UUID_TEXT_BYTES];
	char text[256], when[CLOCK_TEXT_BYTES];
	char *folder = openspa_file(conf, conf->openspa.devices);
	char *path = NULL;
	bool ok = false;

	snprintf(name, sizeof name, "%s" DEVICE_REVOKED_SUFFIX, uuid_text(id, uuid));
	snprintf(text, sizeof text,
	    "# Written by `postern revoke`, %s. That this file is here shuts the device out, "
	    "whatever\n# else says of it; to let it in again, remove this file and reload.\n",
	    clock_text(now_ns, when));
	path = folder == NULL ? NULL : file_join(folder, name);
	if (path == NULL)
		conf_fail(error, "%s: not enough memory to write it", name);
	else
		ok = file_make_folder(folder, error) &&
		     file_write(path, text, strlen(text), true, error);
	free(path);
	free(folder);
	return ok;
}

bool conf_revoke_device(const char *path, const uint8_t uuid[static DEVICE_UUID_BYTES],
    int64_t now_ns, struct conf_error *error)
{
	struct conf *conf = conf_load_indexed(path, CONF_INDEX_DEFAULT, NULL, error);
	char id[UUID_TEXT_BYTES];
	const struct conf_device *device;
	bool ok = false;

	if (conf == NULL)
		return false;
	device = conf_device_named(conf, uuid_text(id, uuid));
	if (device != NULL && device->revoked.yes)
		ok = true;
	else if (!conf->has_openspa || conf->openspa.devices == NULL)
		conf_fail(error, "%s: names no folder of OpenSPA devices to write to", conf->path);
	else if (device == NULL && conf->programs[CONF_TASK_PUBLIC_KEY].asked == CONF_ASKED_NATIVE)
		conf_fail(error, "no device %s; `postern list` shows which there are", id);
	else
		ok = write_override(conf, uuid, now_ns, error);
	conf_free(conf);
	return ok;
}
