#include "cmd/provision.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/secret.h"
#include "cmd/text.h"

#define PUBLIC_BYTES  32
#define PRIVATE_BYTES 64

struct sheet {
	char *text;
	size_t size;
	size_t used;
	bool failed;
};

static void __attribute__((format(printf, 2, 3))) put(struct sheet *s, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(s->text + s->used, s->size - s->used, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= s->size - s->used)
		s->failed = true;
	else
		s->used += (size_t)length;
}

static void put_key(
    struct sheet *s, const char *before, const uint8_t *key, size_t size, const char *after)
{
	char text[SECRET_BASE64_BYTES(PRIVATE_BYTES)];

	if (key == NULL)
		return;
	secret_to_base64(text, sizeof text, key, size);
	put(s, "%s%s%s", before, text, after);
	secret_wipe(text, sizeof text);
}

bool provision_yaml(char *out, size_t size, const struct provision *p)
{
	struct sheet s = {.text = out, .size = size};
	char quoted[512];

	put(&s, "profiles:\n    %s:\n", text_yaml(quoted, sizeof quoted, p->profile));
	put(&s, "        server_host: %s\n", text_yaml(quoted, sizeof quoted, p->host));
	put(&s, "        server_udp_port: %u\n", p->udp_port);
	put_key(&s, "        server_pubkey: ", p->server_public, PUBLIC_BYTES, "\n");
	put_key(&s, "        private_key: ", p->client_secret, PRIVATE_BYTES, "\n");
	put_key(&s, "        public_key: ", p->client_public, PUBLIC_BYTES, "\n");
	put_key(&s, "        shield_key: ", p->shield_key, PUBLIC_BYTES, "\n");
	return !s.failed;
}

/* Names, hosts and base64 hold nothing that JSON would escape. */
bool provision_json(char *out, size_t size, const struct provision *p)
{
	struct sheet s = {.text = out, .size = size};

	put(&s, "{\"profile\":\"%s\",\"host\":\"%s\",\"udp_port\":%u", p->profile, p->host,
	    p->udp_port);
	put_key(&s, ",\"server_pubkey\":\"", p->server_public, PUBLIC_BYTES, "\"");
	put_key(&s, ",\"client_privkey\":\"", p->client_secret, PRIVATE_BYTES, "\"");
	put_key(&s, ",\"client_pubkey\":\"", p->client_public, PUBLIC_BYTES, "\"}");
	return !s.failed;
}
