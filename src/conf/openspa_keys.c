/* RSA keys, from their PEM files. */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/secret.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/openspa.h"
#include "conf/original.h"
#include "proto/rsa_pem.h"
#include "proto/rsa_wipe.h"

_Static_assert(RSA_KEY_BYTES == sizeof(((struct device *)0)->modulus) &&
                   RSA_EXPONENT_BYTES == sizeof(((struct device *)0)->exponent),
    "keys as in the snapshot");

static bool fail_key(
    const char *path, enum rsa_error problem, const char *wanted, struct conf_error *error)
{
	if (problem == RSA_LOCKED)
		return conf_fail(error,
		    "%s: the key is encrypted, and a daemon can ask nobody for the passphrase; "
		    "expected a plain one, as `openssl rsa -in %s` prints it",
		    path, path);
	return conf_fail(
	    error, "%s: the key is %s; expected %s", path, rsa_error_text(problem), wanted);
}

static bool read_secret(struct conf *conf, const char *path, struct conf_error *error)
{
	struct file_text text = {.data = NULL};
	enum rsa_error problem;

	if (!file_read(&text, path, FILE_SECRET, error))
		return false;
	problem = rsa_pem_read_secret(conf->openspa_secret, text.data, text.size, NULL);
	if (*text.note != '\0')
		conf_warn(conf, "%s: %s", path, text.note);
	file_text_free(&text);
	return problem == RSA_FINE ||
	       fail_key(path, problem, "the server's RSA-2048 private key in PEM", error);
}

static bool take_public(struct rsa_public *out, const char *path, const char *text, size_t size,
    struct conf_error *error)
{
	enum rsa_error problem = rsa_pem_read_public(out, text, size);

	return problem == RSA_FINE ||
	       fail_key(path, problem, "an RSA-2048 public key in PEM", error);
}

static bool read_public(struct rsa_public *out, const char *path, struct conf_error *error)
{
	struct file_text text = {.data = NULL};
	bool ok = file_read(&text, path, FILE_PUBLIC, error) &&
	          take_public(out, path, text.data, text.size, error);

	file_text_free(&text);
	return ok;
}

bool openspa_read_secret(const struct openspa_source *s, struct conf_error *error)
{
	struct conf *conf = s->conf;
	const char *public_key = conf->openspa.public_key;
	char problem[TRUSTED_TEXT_BYTES] = "";
	char *file = original_find(s, conf->openspa.private_key, problem);
	char *public_file =
	    public_key == NULL || file == NULL ? NULL : original_find(s, public_key, problem);
	struct rsa_public public;
	bool ok = false;

	/* Before the first use: main runs as root, and libcrypto would read a file that says what
	 * code to load. */
	if (!rsa_wipe_init()) {
		conf_fail(error, "%s: libcrypto cannot be set up to read its keys", conf->path);
		goto out;
	}
	if (*problem != '\0') {
		openspa_fail(s, file == NULL ? "private_key" : "public_key", error, problem);
		goto out;
	}
	conf->openspa_secret = secret_alloc(sizeof *conf->openspa_secret);
	if (conf->openspa_secret == NULL) {
		conf_fail(error, "%s: not enough memory to read its keys", conf->path);
		goto out;
	}
	ok = read_secret(conf, file, error);
	if (!ok || public_file == NULL)
		goto out;
	ok = read_public(&public, public_file, error);
	if (ok && memcmp(&public, &conf->openspa_secret->public_key, sizeof public) != 0)
		ok = openspa_fail(s, "public_key", error,
		    "does not belong to private_key; correct one of them, or leave public_key out");
out:
	free(file);
	free(public_file);
	return ok;
}

bool openspa_read_public(struct conf_device *device, const struct file_folder *folder,
    const char *name, const char *path, struct conf_error *error)
{
	char text[RSA_PEM_LIMIT + 1]; /* one more is too long */
	struct rsa_public key;
	struct file file;
	ssize_t got;
	bool ok;

	if (!file_open_in(&file, folder, name, path, error))
		return false;
	got = fd_read(file.fd, text, sizeof text);
	ok = got >= 0 ? take_public(&key, path, text, (size_t)got, error)
	              : conf_fail_system(error, path, "read it");
	ok = file_unchanged(&file, error) && ok;
	file_close(&file);
	/* Somebody may have put a private one there. */
	secret_wipe(text, sizeof text);
	if (!ok)
		return false;
	memcpy(device->modulus, key.modulus, sizeof device->modulus);
	memcpy(device->exponent, key.exponent, sizeof device->exponent);
	device->has_key = true;
	return true;
}
