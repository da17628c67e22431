/* libcrypto's errors are the caller's: a test that begins and ends with these two fails when ours
 * leave one behind, take one away, or leave a mark. */
#ifndef TESTS_ERROR_QUEUE_H
#define TESTS_ERROR_QUEUE_H

int error_queue_begin(void **state);
int error_queue_end(void **state);

#define WITH_ERRORS(test) cmocka_unit_test_setup_teardown(test, error_queue_begin, error_queue_end)

#endif
