#include "admit/verdict.h"

static const struct {
	const char *name;
	enum log_level level;
	const char *meaning;
} verdicts[VERDICT_COUNT] = {
#define X(id, name, level, meaning) {name, LOG_LEVEL_##level, meaning},
    VERDICTS(X)
#undef X
};

const char *verdict_name(enum verdict v)
{
	return verdicts[v].name;
}

const char *verdict_meaning(enum verdict v)
{
	return verdicts[v].meaning;
}

enum log_level verdict_level(enum verdict v)
{
	return verdicts[v].level;
}
