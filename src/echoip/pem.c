#include "echoip/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/secret.h"

#define FILE_MOST (256 * 1024)

static int refuse_file(const char *path, const char *why)
{
	log_event(LOG_LEVEL_ERROR, "file refused", "file", path, "reason", why, NULL);
	return EXIT_CONFIG;
}

static int judge_file(int fd, const char *path, bool secret, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return refuse_file(path, "not a regular file");
	if (st.st_size <= 0 || st.st_size > FILE_MOST)
		return refuse_file(path, "empty or larger than 256 KiB");
	if (secret && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
		return refuse_file(path, "a private key that others may read or change");
	*size = (size_t)st.st_size;
	return EXIT_DONE;
}

static int file_read(char **out, const char *path, bool secret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int code;
	char *text = NULL;
	size_t size = 0;

	if (fd < 0) {
		bool refused = errno == EACCES || errno == EPERM;

		refuse_file(path, strerror(errno));
		return refused ? EXIT_PERMISSION : EXIT_CONFIG;
	}
	code = judge_file(fd, path, secret, &size);
	if (code != EXIT_DONE)
		goto out;
	text = secret_alloc(size + 1);
	if (text == NULL || fd_read(fd, text, size) != (ssize_t)size) {
		code = refuse_file(path, "cannot be read into locked memory");
		goto out;
	}
	if (strlen(text) != size || strstr(text, "-----BEGIN ") == NULL) {
		code = refuse_file(path, "not a PEM file");
		goto out;
	}
	*out = text;
	text = NULL;
out:
	secret_free(text);
	close(fd);
	return code;
}

int pem_read(struct pem *p, const char *cert_path, const char *key_path)
{
	int code;

	*p = (struct pem){NULL, NULL};
	if (cert_path == NULL)
		return EXIT_DONE;
	code = file_read(&p->cert, cert_path, false);
	if (code == EXIT_DONE)
		code = file_read(&p->key, key_path, true);
	if (code != EXIT_DONE)
		pem_forget(p);
	return code;
}

void pem_forget(struct pem *p)
{
	secret_free(p->cert);
	secret_free(p->key);
	*p = (struct pem){NULL, NULL};
}
