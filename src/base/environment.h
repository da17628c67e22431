/* Whoever starts a program of ours with more rights than they have, as by sudo with a kept
 * environment, must not have it load their code. */
#ifndef BASE_ENVIRONMENT_H
#define BASE_ENVIRONMENT_H

/* Takes variables out of the environment by which libraries load code, or write secrets down: of
 * libcrypto (openssl-env(7)), of the C library's conversions, and SSLKEYLOGFILE. First of all in
 * main(): libraries may look at any time. */
void environment_clean(void);

#endif
