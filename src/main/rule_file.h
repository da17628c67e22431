/* The file that the keeper remembers in which rules programs have made, in the state directory. */
#ifndef MAIN_RULE_FILE_H
#define MAIN_RULE_FILE_H

/* Opens `rules` in the folder `path`, made when it is missing, and locks it for whoever holds the
 * descriptor. -1, having said why, also when another daemon has it, or others could change it. */
int rules_file_open(const char *path);
/* For a daemon without programs for rules: says so when there are some that nobody will shut. */
void rules_file_mind(const char *path);

#endif
