/* The floor under loading a configuration: what libsodium needs to vet the clients' keys.
 *
 * bench-vet: reads keys in base64 from standard input, one a line, and prints `vet` and the
 * microseconds of processor time for each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void vet(const char *line)
{
	unsigned char key[crypto_core_ed25519_BYTES];
	size_t size = 0;

	if (sodium_base642bin(key, sizeof key, line, strlen(line), "\n", &size, NULL,
	        sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    size != sizeof key || !crypto_core_ed25519_is_valid_point(key)) {
		fprintf(stderr, "bench-vet: no key: %s", line);
		exit(1);
	}
}

int main(void)
{
	char line[128];
	double spent = 0;
	long count = 0;

	if (sodium_init() < 0)
		return 1;
	for (; fgets(line, sizeof line, stdin) != NULL; count++) {
		double start = now_us();

		vet(line);
		spent += now_us() - start;
	}
	if (count == 0)
		return 1;
	printf("vet %.2f\n", spent / (double)count);
	return 0;
}
