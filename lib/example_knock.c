/* Knocks at a server: example_knock HOST PORT SERVER-PUBLIC-KEY <CLIENT-PRIVATE-KEY
 * The keys are base64; the private one comes on standard input, for arguments are seen by all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <postern.h>

int main(int argc, char **argv)
{
	struct postern_options options = {.size = sizeof options};
	char line[128] = "";
	long port = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
	enum postern_error error = POSTERN_BAD_ARGUMENT;

	if (port < 1 || port > 65535 || fgets(line, sizeof line, stdin) == NULL)
		goto out;
	line[strcspn(line, "\n")] = '\0';
	error = postern_client_secret_from_base64(options.client_secret, line);
	if (error != POSTERN_OK)
		goto out;
	error =
	    postern_key_from_base64(options.server_public, sizeof options.server_public, argv[3]);
	if (error != POSTERN_OK)
		goto out;
	error = postern_knock(&options, argv[1], (uint16_t)port, NULL);
out:
	explicit_bzero(line, sizeof line);
	explicit_bzero(&options, sizeof options);
	printf("%s\n", postern_strerror(error));
	return error == POSTERN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
