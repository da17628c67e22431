/* The command line of an original OpenSPA server: `start` and its flags. */
#ifndef MAIN_OPENSPA_WORDS_H
#define MAIN_OPENSPA_WORDS_H

/* Where the first word is `start`, takes it and the original's flags out of argv: the flags stand
 * above the configuration from then on, which is ./config.yaml unless it is named. Returns the new
 * argc; ends the program for a flag without a value. What is not the original's is left. */
int openspa_words(int argc, char *argv[]);

#endif
