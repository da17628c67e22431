#include "cmd/question.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool question_to_person(void)
{
	return isatty(STDIN_FILENO) == 1;
}

bool question_ask(struct cli *cli, char answer[static QUESTION_BYTES], const char *words)
{
	bool got;
	size_t length;

	fputs(words, stderr);
	fflush(stderr);
	got = fgets(answer, QUESTION_BYTES, stdin) != NULL;
	if (!question_to_person())
		fputc('\n', stderr); /* a person's Enter shows by itself */
	if (!got) {
		*answer = '\0';
		if (!ferror(stdin))
			return true;
		return cli_stop(cli, cli_fail_errno(cli, "cannot read the answer"));
	}
	length = strlen(answer);
	if (length == QUESTION_BYTES - 1 && answer[length - 1] != '\n')
		return cli_refuse(cli, CLI_FAILED, "the answer is too long");
	answer[strcspn(answer, "\r\n")] = '\0';
	return true;
}
