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
		cli->status = cli_fail_errno(cli, "cannot read the answer");
		return false;
	}
	length = strlen(answer);
	if (length == QUESTION_BYTES - 1 && answer[length - 1] != '\n') {
		cli->status = cli_fail(cli, CLI_FAILED, "the answer is too long");
		return false;
	}
	answer[strcspn(answer, "\r\n")] = '\0';
	return true;
}
