#include "runner/runner.h"

#include <string.h>

int main(int argc, char *argv[])
{
	const char *privileged = role_name(ROLE_PRIVILEGED_RUNNER);

	return runner_run(
	    argc > 1 && strcmp(argv[1], privileged) == 0 ? ROLE_PRIVILEGED_RUNNER : ROLE_RUNNER);
}
